package mongodb_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// testScope is the scope of these tests.
var testScope = protocol.Scope{Workspace: "w", App: "a"}

func in(id string) protocol.Ref { return protocol.Ref{Scope: testScope, Collection: "c", ID: id} }

// fixture is a database that the gateway serves and that another program writes to.
type fixture struct {
	*testing.T
	url  string
	b    *mongodb.Backend
	docs *mongo.Collection // as the other program opens it

	mu       sync.Mutex
	withheld []protocol.Ref
}

// newFixture opens a database after another program has filled it.
func newFixture(t *testing.T, url string, fill func(*mongo.Collection)) *fixture {
	t.Helper()
	path, _, _ := strings.Cut(url, "?")
	s := &fixture{T: t, url: url, docs: mongodbtest.Client(t,
		url).Database(path[strings.LastIndex(path, "/")+1:]).Collection("app_data")}
	if fill != nil {
		fill(s.docs)
	}
	s.b = s.open()
	return s
}

func (s *fixture) open() *mongodb.Backend {
	s.Helper()
	b, err := mongodb.Open(s.Context(), mongodb.Options{URL: s.url, Log: slog.New(slog.DiscardHandler),
		Withheld: func(r protocol.Ref) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.withheld = append(s.withheld, r)
		}})
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, b.Close()) })
	return b
}

// reported returns the documents that were reported as withheld.
func (s *fixture) reported() []protocol.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.withheld)
}

func (s *fixture) now() backends.Cursor {
	s.Helper()
	_, at, err := s.b.Get(s.Context(), in("nothing"), nil)
	require.NoError(s, err)
	return at
}

func (s *fixture) watch() backends.Feed {
	s.Helper()
	f, err := s.b.Watch(s.Context(), s.now())
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, f.Close()) })
	return f
}

// changesNow reads the feed up to now, and returns its changes with the cursor of the last batch.
func (s *fixture) changesNow(f backends.Feed) (all backends.Batch) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	for end := s.now(); ; {
		batch, err := f.Next(ctx)
		require.NoError(s, err)
		if batch.LostAll {
			end = s.now() // the collection may have a new epoch
		}
		all.Changes, all.Lost = append(all.Changes, batch.Changes...), append(all.Lost, batch.Lost...)
		all.LostAll, all.Cursor = all.LostAll || batch.LostAll, batch.Cursor
		if batch.Cursor.Reached(end) {
			return all
		}
	}
}

func (s *fixture) since(from backends.Cursor) backends.Batch {
	s.Helper()
	batch, err := s.b.Since(s.Context(), testScope, from, 0)
	require.NoError(s, err)
	return batch
}

// summary is changes as text, without times.
func summary(changes []backends.Change) string {
	var parts []string
	for _, c := range changes {
		if c.Ref.Scope != testScope {
			continue
		}
		data := ""
		if c.Doc != nil {
			data = string(c.Doc.Data)
		}
		parts = append(parts, c.Ref.Collection+"/"+c.Ref.ID+":"+c.Op.String()+data)
	}
	return strings.Join(parts, " ")
}

func (s *fixture) get(id string) *protocol.Document {
	s.Helper()
	doc, _, err := s.b.Get(s.Context(), in(id), nil)
	require.NoError(s, err)
	return doc
}

func (s *fixture) list() (docs []protocol.Document) {
	s.Helper()
	page, err := s.b.List(s.Context(), testScope, backends.Query{Collection: "c"})
	require.NoError(s, err)
	return page.Docs
}

// write does one write: with a transaction if mutation is set, and without one otherwise.
func (s *fixture) write(mutation string, w backends.Write) (backends.Outcome, error) {
	s.Helper()
	if w.Collection == "" {
		w.Collection = "c"
	}
	if w.MaxBytes == 0 {
		w.MaxBytes = 1 << 20
	}
	return backends.WriteOne(s.Context(), s.b, backends.Tx{Scope: testScope, At: protocol.Millis(time.Now()),
		Mutation: mutation, Principal: "p", Writes: []backends.Write{w}})
}

// raw is a document as it is stored.
func (s *fixture) raw(key any) bson.Raw {
	s.Helper()
	raw, err := s.docs.FindOne(s.Context(), bson.D{{Key: "_id", Value: key}}).Raw()
	require.NoError(s, err)
	return raw
}

// foreign is a document of another program.
func foreign(id, data any, more ...bson.E) bson.D {
	when := time.Date(2024, 5, 6, 7, 8, 9, 123e6, time.UTC)
	return append(bson.D{
		{Key: "_id", Value: id}, {Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "a"},
		{Key: "collection", Value: "c"},
		{Key: "data", Value: data}, {Key: "createdAt", Value: when}, {Key: "updatedAt", Value: when},
	}, more...)
}
