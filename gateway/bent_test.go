package gateway_test

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// bent is a real backend with one thing bent: its feed can be held back, and its lists delayed after they were read.
type bent struct {
	backends.Backend

	mu     sync.Mutex
	held   chan struct{} // not nil: batches wait for it to close
	slow   chan struct{} // not nil: answers of List wait for it to close, after they were read
	lost   bool          // the next batch is a lost one
	fails  int           // so many calls fail for a passing reason
	called int
	reads  chan struct{} // is sent to when a slow List has been read
}

func newBent(b backends.Backend) *bent { return &bent{Backend: b, reads: make(chan struct{}, 100)} }

// holdFeed keeps batches back until the function that it returns is called.
func (b *bent) holdFeed() (release func()) { return b.gate(&b.held) }

// slowLists keeps answers of List back until the function that it returns is called.
func (b *bent) slowLists() (release func()) { return b.gate(&b.slow) }

func (b *bent) gate(at *chan struct{}) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	gate := make(chan struct{})
	*at = gate
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		*at = nil
		close(gate)
	}
}

func (b *bent) wait(ctx context.Context, at *chan struct{}, waiting chan<- struct{}) {
	b.mu.Lock()
	gate := *at
	b.mu.Unlock()
	if gate == nil {
		return
	}
	if waiting != nil {
		waiting <- struct{}{}
	}
	select {
	case <-gate:
	case <-ctx.Done():
	}
}

func (b *bent) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	if err := b.fault(); err != nil {
		return backends.Page{}, err
	}
	page, err := b.Backend.List(ctx, s, q)
	b.wait(ctx, &b.slow, b.reads)
	return page, err
}

func (b *bent) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	feed, err := b.Backend.Watch(ctx, from)
	if err != nil {
		return nil, err
	}
	return &bentFeed{feed, b}, nil
}

// loseNext makes the next batch a lost one.
func (b *bent) loseNext() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = true
}

type bentFeed struct {
	backends.Feed
	b *bent
}

func (f *bentFeed) Next(ctx context.Context) (backends.Batch, error) {
	batch, err := f.Feed.Next(ctx)
	f.b.wait(ctx, &f.b.held, nil)
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	if err == nil && f.b.lost && len(batch.Changes) > 0 {
		f.b.lost = false
		batch.Changes, batch.LostAll = nil, true
	}
	return batch, err
}
