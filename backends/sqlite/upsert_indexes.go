package sqlite

import (
	"context"
	"database/sql/driver"
	"sync"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// indexes holds the indexes that have been built and not dropped. The first caller that needs an
// index builds it, on a reader's connection, while others wait for it. So building costs the writer
// nothing.
type indexes struct {
	built atomic.Uint64 // indexes so far

	mu    sync.Mutex
	clock uint64 // counts uses
	of    map[shape]*slot
}

type slot struct {
	ready chan struct{}
	index *index // set when ready is closed; nil if building failed
	used  uint64 // clock at the last use
}

func newIndexes() *indexes { return &indexes{of: map[shape]*slot{}} }

// prepareUpserts gives each upsert by filter of a job its index.
func (b *Backend) prepareUpserts(ctx context.Context, j *job) error {
	for i := range j.tx.Writes {
		w := &j.tx.Writes[i]
		s, ok := shapeOf(j.tx.Scope, w.Collection, w.Filter)
		if w.Op != backends.Upsert || w.ID != "" || !ok {
			continue
		}
		x, err := b.indexFor(ctx, s, w.Filter)
		if err != nil {
			return err
		}
		if j.indexes == nil {
			j.indexes = make([]*index, len(j.tx.Writes))
		}
		j.indexes[i] = x
	}
	return nil
}

// indexFor returns the index of a shape, and builds it if it does not exist.
func (b *Backend) indexFor(ctx context.Context, s shape, f *protocol.Filter) (*index, error) {
	for {
		slot, mine := b.upserts.slot(s)
		if mine {
			x, err := b.build(ctx, s, f)
			b.upserts.fill(s, slot, x)
			return x, err
		}
		select {
		case <-slot.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if slot.index != nil { // otherwise its builder failed, perhaps because its caller has gone
			return slot.index, nil
		}
	}
}

// build makes an index by reading a whole collection from one snapshot.
func (b *Backend) build(ctx context.Context, s shape, f *protocol.Filter) (*index, error) {
	x := newIndex(s, f)
	x.number = b.upserts.built.Add(1)
	err := b.snapshot(ctx, "build an index", func(ctx context.Context, c *conn) error {
		at, err := b.newest(ctx, c)
		if err != nil {
			return err
		}
		x.seq = at.seq
		args := []any{s.scope.Workspace, s.scope.StoredApp(), s.name}
		return c.each(ctx, listAllSQL, args, func(row []driver.Value) error {
			if doc := b.document(s.scope, s.name, row); doc != nil {
				x.add(doc)
			}
			if x.tooLarge {
				return errEnough
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return x, nil
}

// slot returns the slot of a shape's index. mine tells the caller to build the index.
func (xs *indexes) slot(s shape) (_ *slot, mine bool) {
	xs.mu.Lock()
	defer xs.mu.Unlock()
	xs.clock++
	at, ok := xs.of[s]
	if !ok {
		at = &slot{ready: make(chan struct{})}
		xs.of[s] = at
	}
	at.used = xs.clock
	return at, !ok
}

// fill puts an index that has been built, or nil, into its slot.
func (xs *indexes) fill(s shape, at *slot, x *index) {
	xs.mu.Lock()
	at.index = x
	if x == nil {
		delete(xs.of, s)
	}
	xs.mu.Unlock()
	close(at.ready)
	xs.shrink()
}

// drop drops an index. The next caller that needs it builds a new one.
func (xs *indexes) drop(x *index) {
	xs.mu.Lock()
	defer xs.mu.Unlock()
	if at := xs.of[x.shape]; at != nil && at.index == x {
		delete(xs.of, x.shape)
	}
	x.dropped.Store(true)
}

// shrink drops the least recently used indexes until the rest is within bounds.
func (xs *indexes) shrink() {
	xs.mu.Lock()
	defer xs.mu.Unlock()
	for {
		var total int64
		var oldest *slot
		for _, at := range xs.of {
			if at.index == nil {
				continue
			}
			total += at.index.bytes.Load()
			if oldest == nil || at.used < oldest.used {
				oldest = at
			}
		}
		if oldest == nil || total <= maxIndexesBytes && len(xs.of) <= maxIndexes {
			return
		}
		delete(xs.of, oldest.index.shape)
		oldest.index.dropped.Store(true)
	}
}
