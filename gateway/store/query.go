package store

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// queriesAtOnce bounds the collections that queries walk at once, over all scopes.
	queriesAtOnce = 4
	// queryPage is how much of a collection a query reads at once, queryHeld how much of it it holds, in
	// bytes of documents.
	queryPage, queryHeld = 1 << 20, 8 << 20
	// QueryBytes is what a query holds at most: the documents of its page, and those that it reads.
	QueryBytes = queryHeld + queryPage
	// maxCounted bounds the documents that a query of several pages counts.
	maxCounted = 1_000_000
)

// Query answers second:data:query from one snapshot, which it returns. It walks the collection, so it
// costs what a list of it does, less what the database leaves out by itself: see [backends.Query].
//
// A collection of several pages is read from several snapshots. What changed between the first of them and
// the last is read at the end, so that the answer is of one.
func (s *Store) Query(
	ctx context.Context, p access.Principal, scope protocol.Scope, r *protocol.Request, bounds Read,
) (protocol.Answer, backends.Cursor) {
	refuse := func(err error) (protocol.Answer, backends.Cursor) {
		s.faults.note("read", err)
		return protocol.Answer{Request: r, Err: s.Failure(r, err)}, nil
	}
	if refused := s.allow(ctx, p, scope, access.Read, reading(r.Collection)); refused != nil {
		return protocol.Answer{Request: r, Err: refused}, nil
	}
	q, err := protocol.ParseQuery(r)
	if err != nil {
		return refuse(err)
	}
	select {
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
	case <-ctx.Done():
		return refuse(ctx.Err())
	}
	best := newResults(&q)
	at, err := s.walk(ctx, scope, best, s.notBefore(bounds))
	if err != nil {
		return refuse(err)
	}
	a, err := best.answer(r)
	if err != nil {
		return refuse(err)
	}
	return a, at
}

// walk offers a collection's documents to results, as of the snapshot that it returns.
func (s *Store) walk(
	ctx context.Context, scope protocol.Scope, best *results, notBefore backends.Cursor,
) (at backends.Cursor, err error) {
	ask := backends.Query{
		Collection: best.query.Collection, MaxBytes: queryPage, NotBefore: notBefore,
		Only: best.query.Filter(),
	}
	for first := true; ; first = false {
		page, err := s.backend.List(ctx, scope, ask)
		if err != nil {
			return nil, err
		}
		if first {
			at = page.Cursor
		}
		for i := range page.Docs {
			if err := best.offer(&page.Docs[i]); err != nil {
				return nil, err
			}
		}
		if page.Next == "" && first {
			return at, nil
		}
		if page.Next == "" {
			break
		}
		ask.After, ask.NotBefore = page.Next, at
	}
	return s.repair(ctx, scope, best, at)
}

// repair has results know what changed in a collection since its first page was read.
func (s *Store) repair(
	ctx context.Context, scope protocol.Scope, best *results, from backends.Cursor,
) (backends.Cursor, error) {
	batch, err := s.backend.Since(ctx, scope, from, queryHeld)
	switch {
	case errors.Is(err, backends.ErrTooBig),
		errors.Is(err, backends.ErrCursor),
		err == nil && (batch.LostAll || len(batch.Lost) > 0):
		return nil, protocol.Errorf(protocol.CodeUnavailable,
			"the collection changes faster than the query reads it: ask again, or narrow it down")
	case err != nil:
		return nil, err
	}
	for i := range batch.Changes {
		if c := &batch.Changes[i]; c.Ref.Collection == best.query.Collection {
			if err := best.change(c); err != nil {
				return nil, err
			}
		}
	}
	return batch.Cursor, nil
}

// results are the first documents of a query's page, of all that were offered.
type results struct {
	query *protocol.Query
	// docs are in the query's order; the bytes of their data.
	docs  []protocol.Document
	bytes int
	// last is the last of those that had a place before there were too many: what is behind it was not
	// kept. Nil while everything was.
	last *protocol.Document
	// counted has the documents that match, by a hash of the id, if the query counts.
	counted map[uint64]struct{}
}

var countSeed = maphash.MakeSeed()

func newResults(q *protocol.Query) *results {
	r := &results{query: q}
	if q.Count {
		r.counted = map[uint64]struct{}{}
	}
	return r
}

// offer takes a document that has not been offered.
func (r *results) offer(d *protocol.Document) error {
	if !r.query.Matches(d) {
		return nil
	}
	if r.counted != nil {
		if len(r.counted) == maxCounted {
			return protocol.Errorf(
				protocol.CodeTooLarge,
				"more than %d documents match, which is as far as the gateway counts: narrow the query down",
				maxCounted,
			)
		}
		r.counted[maphash.String(countSeed, d.ID)] = struct{}{}
	}
	if !r.query.Follows(d) || r.last != nil && r.query.Compare(d, r.last) > 0 {
		return nil
	}
	at, _ := slices.BinarySearchFunc(r.docs, d, func(a protocol.Document, b *protocol.Document) int {
		return r.query.Compare(&a, b)
	})
	r.docs = slices.Insert(r.docs, at, *d)
	r.bytes += len(d.Data)
	for len(r.docs) > r.query.Limit || r.bytes > queryHeld && len(r.docs) > 1 {
		r.dropLast()
	}
	return nil
}

// dropLast forgets the last document: the page ends with the one before it.
func (r *results) dropLast() {
	n := len(r.docs) - 1
	r.bytes -= len(r.docs[n].Data)
	r.docs = r.docs[:n]
	last := r.docs[n-1]
	r.last = &last
}

// change takes the newest state of a document that may have been offered.
func (r *results) change(c *backends.Change) error {
	delete(r.counted, maphash.String(countSeed, c.Ref.ID))
	r.docs = slices.DeleteFunc(r.docs, func(d protocol.Document) bool {
		if d.ID != c.Ref.ID {
			return false
		}
		r.bytes -= len(d.Data)
		return true
	})
	if c.Doc == nil {
		return nil
	}
	return r.offer(c.Doc)
}

// answer is the page. A page from which documents went meanwhile is shorter, with more behind it.
func (r *results) answer(request *protocol.Request) (protocol.Answer, error) {
	a := protocol.Answer{
		Request: request,
		Count:   len(r.counted),
		Docs:    make([]protocol.Document, len(r.docs)),
	}
	for i := range r.docs {
		a.Docs[i] = r.query.Choose(&r.docs[i])
	}
	if r.last == nil {
		return a, nil
	}
	var err error
	a.Next, err = r.query.Position(request, r.last)
	return a, err
}
