package model

import (
	"context"
	"sort"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// Get implements [backends.Backend].
func (b *Backend) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (*protocol.Document, backends.Cursor, error) {
	var doc *protocol.Document
	c, err := b.read(ctx, notBefore, func(at *snapshot) {
		if v := visible(b.store.versions(r), at); v != nil {
			doc = v.doc
		}
	})
	return doc, c, err
}

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	p, err := driverkit.NewPageBuilder(q)
	if err != nil {
		return backends.Page{}, err
	}
	var docs []protocol.Document
	p.Page.Cursor, err = b.read(ctx, q.NotBefore, func(at *snapshot) {
		docs = documents(b.store.tables[s][q.Collection], at)
	})
	driverkit.SortDocuments(docs)
	for i := range docs {
		if p.After() == nil || p.After().Precedes(&docs[i]) {
			p.Add(&docs[i])
		}
	}
	return p.Page, err
}

// Collections implements [backends.Backend].
func (b *Backend) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (map[string]int, error) {
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

// Usage implements [backends.Backend].
func (b *Backend) Usage(ctx context.Context, s protocol.Scope) (u backends.Usage, err error) {
	_, err = b.read(ctx, nil, func(at *snapshot) {
		u = backends.Usage{}
		for _, collection := range b.store.tables[s] {
			for _, d := range documents(collection, at) {
				u.Documents, u.Bytes = u.Documents+1, u.Bytes+int64(len(d.Data))
			}
		}
	})
	return u, err
}

// read calls f with a snapshot: any that shows all answered writes, has not expired and has reached
// notBefore.
func (b *Backend) read(
	ctx context.Context, notBefore backends.Cursor, f func(at *snapshot),
) (c backends.Cursor, err error) {
	err = b.locked(ctx, func(s *store) error {
		low, err := s.oldest(notBefore)
		if err != nil {
			return err
		}
		at := s.snapshots[s.anyFrom(low)]
		f(at)
		c = cursor{s.epoch, at}
		return nil
	})
	return c, err
}

// anyFrom picks a snapshot whose index is at least low.
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

// passed is the index of the last snapshot that shows nothing that at does not show.
func (s *store) passed(at *snapshot) int {
	return sort.Search(len(s.snapshots), func(i int) bool { return !at.contains(s.snapshots[i]) }) - 1
}
