package differential_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// querying is a query with all its pages, by a gateway's store over each database.
type querying struct {
	place place
	where string
	order []string
	limit int
}

func (q querying) String() string {
	return fmt.Sprintf(
		"query %s/%q where %s by %q, pages of %d",
		q.place.scope,
		q.place.collection,
		q.where,
		q.order,
		q.limit,
	)
}

func (q querying) request() *protocol.Request {
	return &protocol.Request{
		Type: protocol.TypeQuery, Collection: q.place.collection, Where: []byte(q.where), Order: q.order,
		Limit: q.limit, Count: true,
	}
}

// expect chooses and orders what was written, all at once.
func (q querying) expect(k *known) (string, bool) {
	query, err := protocol.ParseQuery(q.request())
	if err != nil {
		return sayError(err), true
	}
	var docs []protocol.Document
	for _, d := range k.list(q.place) {
		if query.Matches(&d) {
			docs = append(docs, d)
		}
	}
	slices.SortFunc(docs, func(a, b protocol.Document) int { return query.Compare(&a, &b) })
	return sayFound(docs, len(docs)), true
}

func (q querying) ask(ctx context.Context, s *side) string {
	var docs []protocol.Document
	r := q.request()
	for range maxPages {
		a, _ := s.store.Query(ctx, access.Gateway(), q.place.scope, r, store.Read{})
		switch {
		case a.Err != nil:
			return sayError(a.Err)
		case len(a.Docs) > q.limit:
			return fmt.Sprintf("a page of %d documents", len(a.Docs))
		}
		docs = append(docs, a.Docs...)
		if r.After = a.Next; r.After == "" {
			return sayFound(docs, a.Count)
		}
	}
	return "it never ends"
}

func sayFound(docs []protocol.Document, count int) string {
	var text strings.Builder
	for i := range docs {
		fmt.Fprintln(&text, sayDoc(&docs[i]))
	}
	return fmt.Sprintf("%s%d match", text.String(), count)
}

var (
	fields  = []string{"k", "k", "n", "l", "o", "o.k", "title", "l.0", "_id", "_updatedAt", "$x", "a.b"}
	ranges  = []string{"$gt", "$gte", "$lt", "$lte"}
	ordered = [][]string{nil, {"k"}, {"-k"}, {"n", "-k"}, {"-o.k", "_id"}, {"-_updatedAt"}, {"l", "k"}}
)

// query is one that often matches something.
func (a *author) query() querying {
	where := fmt.Sprintf(`{%s}`, a.condition())
	switch {
	case a.one(4):
		where = "{}"
	case a.one(3):
		where = fmt.Sprintf(`{%s,"$or":[{%s},{%s}]}`, a.condition(), a.condition(), a.condition())
	}
	canonical, err := protocol.Canonical([]byte(where))
	if err != nil { // a field twice
		canonical = []byte("{}")
	}
	return querying{a.place(), string(canonical), oneOf(a, ordered), 1 + a.IntN(9)}
}

func (a *author) condition() string {
	field := protocol.AppendString(nil, oneOf(a, fields))
	switch a.IntN(5) {
	case 0:
		return fmt.Sprintf(`%s:{"$exists":%v}`, field, a.one(2))
	case 1:
		return fmt.Sprintf(
			`%s:{"$in":[%s,%s,%s]}`,
			field,
			oneOf(a, scalars),
			oneOf(a, scalars),
			oneOf(a, scalars),
		)
	case 2:
		return fmt.Sprintf(`%s:%s`, field, oneOf(a, scalars))
	}
	return fmt.Sprintf(`%s:{%q:%s}`, field, oneOf(a, ranges), oneOf(a, scalars))
}

// unspoilt is a backend without a planted bug: the feed of a bug belongs to the run, and the hub
// would take it.
func unspoilt(b backends.Backend) backends.Backend {
	if f, is := b.(*faulty); is {
		return f.Backend
	}
	return b
}

// storeOver is a gateway's store over a backend, for the length of a test.
func storeOver(t *testing.T, b backends.Backend) *store.Store {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	h, err := hub.New(t.Context(), unspoilt(b), 1<<20, log, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return store.New(b, h, store.Options{Mode: access.None{}, Limits: protocol.DefaultLimits, Log: log})
}
