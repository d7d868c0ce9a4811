package model

import (
	"context"
	"slices"
	"sort"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Get reads one document.
func (b *Backend) Get(ctx context.Context, r protocol.Ref, notBefore backends.Cursor) (*protocol.Document, backends.Cursor, error) {
	var doc *protocol.Document
	c, err := b.read(ctx, notBefore, func(at *snapshot) {
		if v := visible(b.store.versions(r), at); v != nil {
			doc = v.doc
		}
	})
	return doc, c, err
}

// List reads one page.
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (page backends.Page, err error) {
	var after backends.Position
	if q.After != "" {
		if after, err = backends.ParsePosition(q.After); err != nil {
			return page, err
		}
	}
	var docs []protocol.Document
	page.Cursor, err = b.read(ctx, q.NotBefore, func(at *snapshot) {
		docs = documents(b.store.tables[s][q.Collection], at)
	})
	slices.SortFunc(docs, order)
	if q.After != "" {
		docs = slices.DeleteFunc(docs, func(d protocol.Document) bool { return !after.Precedes(&d) })
	}
	n := cut(docs, q)
	page.Docs = docs[:n]
	if n < len(docs) {
		last := docs[n-1]
		page.Next = backends.Position{Updated: last.Updated, ID: last.ID}.String()
	}
	return page, err
}

func order(a, b protocol.Document) int {
	if backends.Before(&a, &b) {
		return -1
	}
	return 1 // no two documents of a collection are equal in the order
}

// cut is how many of docs belong on the page.
func cut(docs []protocol.Document, q backends.Query) int {
	bytes := 0
	for i := range docs {
		bytes += len(docs[i].Data)
		if q.Limit > 0 && i == q.Limit || q.MaxBytes > 0 && i > 0 && bytes > q.MaxBytes {
			return i
		}
	}
	return len(docs)
}

// Collections counts documents by collection.
func (b *Backend) Collections(ctx context.Context, s protocol.Scope, notBefore backends.Cursor) (map[string]int, error) {
	counts := map[string]int{}
	_, err := b.read(ctx, notBefore, func(at *snapshot) {
		for name, collection := range b.store.tables[s] {
			if n := len(documents(collection, at)); n > 0 {
				counts[name] = n
			}
		}
	})
	return counts, err
}

// read looks at one snapshot: any that shows all answered writes, is not expired and has reached notBefore.
func (b *Backend) read(ctx context.Context, notBefore backends.Cursor, look func(at *snapshot)) (backends.Cursor, error) {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if inner.Err() != nil {
		return nil, b.explain(ctx, inner.Err())
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	low, err := b.store.oldest(notBefore)
	if err != nil {
		return nil, err
	}
	at := b.store.snapshots[b.store.anyFrom(low)]
	look(at)
	return cursor{b.store.epoch, at}, nil
}

// anyFrom picks a snapshot of at least the index low.
func (s *store) anyFrom(low int) int {
	if s.dice.chance(s.options.Lag) {
		return s.dice.between(low, s.newest())
	}
	return s.newest()
}

// oldest is the index of the first snapshot that a read may answer from.
func (s *store) oldest(notBefore backends.Cursor) (int, error) {
	low := max(s.acked, s.reached(s.floor))
	if notBefore == nil {
		return low, nil
	}
	bound, ok := notBefore.(cursor)
	if !ok || bound.epoch != s.epoch {
		return 0, backends.ErrCursor
	}
	if at := s.reached(bound.at); at <= s.newest() {
		return max(low, at), nil
	}
	return 0, backends.ErrCursor
}

// reached is the index of the first snapshot that contains at.
func (s *store) reached(at *snapshot) int {
	return sort.Search(len(s.snapshots), func(i int) bool { return s.snapshots[i].contains(at) })
}

// passed is the index of the last snapshot that has nothing to add to at.
func (s *store) passed(at *snapshot) int {
	return sort.Search(len(s.snapshots), func(i int) bool { return !at.contains(s.snapshots[i]) }) - 1
}
