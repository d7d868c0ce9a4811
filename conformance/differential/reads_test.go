package differential_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// maxPages bounds a list that never ends.
const maxPages = 1000

// reading is one Get.
type reading struct{ ref protocol.Ref }

func (q reading) String() string { return fmt.Sprintf("get %q", q.ref) }

func (q reading) expect(k *known) (string, bool) { return sayDoc(k.get(q.ref)), true }

func (q reading) ask(ctx context.Context, s *side) string {
	d, _, err := s.backend.Get(ctx, q.ref, nil)
	if err != nil {
		return sayError(err)
	}
	return sayDoc(d)
}

// listing is a List with all its pages.
type listing struct {
	place place
	query backends.Query
	// spoilt asks for what comes after nonsense.
	spoilt bool
}

func (q listing) String() string {
	return fmt.Sprintf(
		"list %s/%q, pages of %d documents and %d bytes, spoilt %v", q.place.scope, q.place.collection,
		q.query.Limit, q.query.MaxBytes, q.spoilt,
	)
}

// expect cuts the pages as the contract says.
func (q listing) expect(k *known) (string, bool) {
	if q.spoilt {
		return "", false
	}
	var text strings.Builder
	count, size := 0, 0
	for i, d := range k.list(q.place) {
		size += len(d.Data)
		if count > 0 &&
			(q.query.Limit > 0 && count == q.query.Limit || q.query.MaxBytes > 0 && size > q.query.MaxBytes) {
			last := k.list(q.place)[i-1]
			fmt.Fprintf(&text, "next %s\n", backends.Position{Updated: last.Updated, ID: last.ID})
			count, size = 0, len(d.Data)
		}
		fmt.Fprintln(&text, sayDoc(&d))
		count++
	}
	return text.String() + "the end", true
}

func (q listing) ask(ctx context.Context, s *side) string {
	var text strings.Builder
	query := q.query
	query.Collection = q.place.collection
	if q.spoilt {
		query.After = "nonsense"
	}
	for range maxPages {
		page, err := s.backend.List(ctx, q.place.scope, query)
		if err != nil {
			return text.String() + sayError(err)
		}
		for _, d := range page.Docs {
			fmt.Fprintln(&text, sayDoc(&d))
		}
		if query.After = page.Next; query.After == "" {
			return text.String() + "the end"
		}
		fmt.Fprintf(&text, "next %s\n", query.After)
	}
	return text.String() + "it never ends"
}

// counting is Collections.
type counting struct{ scope protocol.Scope }

func (q counting) String() string { return fmt.Sprintf("collections of %s", q.scope) }

func (q counting) expect(k *known) (string, bool) {
	counts := map[string]int{}
	for p, docs := range k.docs {
		if p.scope == q.scope {
			counts[p.collection] = len(docs)
		}
	}
	return fmt.Sprintf("%q", fmt.Sprint(counts)), true
}

func (q counting) ask(ctx context.Context, s *side) string {
	counts, err := s.backend.Collections(ctx, q.scope, nil)
	if err != nil {
		return sayError(err)
	}
	return fmt.Sprintf("%q", fmt.Sprint(counts))
}

// mirroring lists everything, and holds the copy that the feed has made to it.
type mirroring struct{}

func (mirroring) String() string { return "compare every list with the copy that follows the feed" }

func (mirroring) expect(k *known) (string, bool) {
	n := 0
	for _, docs := range k.docs {
		n += len(docs)
	}
	return fmt.Sprintf("the same %d documents", n), true
}

func (mirroring) ask(ctx context.Context, s *side) string {
	rest := maps.Clone(s.copy)
	for _, scope := range scopes {
		for _, collection := range collections {
			page, err := s.backend.List(ctx, scope, backends.Query{Collection: collection})
			if err != nil {
				return sayError(err)
			}
			for _, d := range page.Docs {
				r := protocol.Ref{Scope: scope, Collection: collection, ID: d.ID}
				if copied := s.copied(r); sayDoc(copied) != sayDoc(&d) {
					return fmt.Sprintf("%q: the feed has made %s, the list has %s", r, sayDoc(copied), sayDoc(&d))
				}
				delete(rest, r)
			}
		}
	}
	for _, r := range slices.SortedFunc(
		maps.Keys(rest), func(a, b protocol.Ref) int { return strings.Compare(a.String(), b.String()) },
	) {
		return fmt.Sprintf("%q: the feed has made %s, the list has nothing", r, sayDoc(s.copied(r)))
	}
	return fmt.Sprintf("the same %d documents", len(s.copy))
}

func (s *side) copied(r protocol.Ref) *protocol.Document {
	if d, ok := s.copy[r]; ok {
		return &d
	}
	return nil
}
