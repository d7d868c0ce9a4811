package gateway_test

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// faulty is a real backend with faults on demand: its feed can be held back or lose a batch, its
// lists delayed after they were read, and its calls fail.
type faulty struct {
	backends.Backend

	mu     sync.Mutex
	held   chan struct{} // not nil: batches wait for it to close
	slow   chan struct{} // not nil: answers of List wait for it to close, after they were read
	lost   bool          // the next batch says that changes were lost
	fails  int           // so many calls fail for a passing reason
	called int
	reads  chan struct{} // is sent to when a slow List has been read
}

func newFaulty(b backends.Backend) *faulty {
	return &faulty{Backend: b, reads: make(chan struct{}, 100)}
}

// holdFeed keeps batches back until the function that it returns is called.
func (b *faulty) holdFeed() (release func()) { return b.gate(&b.held) }

// slowLists keeps answers of List back until the function that it returns is called.
func (b *faulty) slowLists() (release func()) { return b.gate(&b.slow) }

func (b *faulty) gate(at *chan struct{}) func() {
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

func (b *faulty) wait(ctx context.Context, at *chan struct{}, waiting chan<- struct{}) {
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

func (b *faulty) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	if err := b.fault(); err != nil {
		return backends.Page{}, err
	}
	page, err := b.Backend.List(ctx, s, q)
	b.wait(ctx, &b.slow, b.reads)
	return page, err
}

func (b *faulty) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	feed, err := b.Backend.Watch(ctx, from)
	if err != nil {
		return nil, err
	}
	return &faultyFeed{feed, b}, nil
}

// loseNext makes the next batch say that changes were lost.
func (b *faulty) loseNext() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = true
}

type faultyFeed struct {
	backends.Feed
	b *faulty
}

func (f *faultyFeed) Next(ctx context.Context) (backends.Batch, error) {
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

// away makes the next calls fail, as those of a database that is away for a moment.
func (b *faulty) away(calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = calls
}

func (b *faulty) fault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called++
	if b.fails == 0 {
		return nil
	}
	b.fails--
	return protocol.Errorf(protocol.CodeUnavailable, "the database is away")
}

// calls is how many calls there were: of writes, lists, collections and cursors.
func (b *faulty) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.called
}

// Write fails after it has happened: the worst case for a caller that tries again.
func (b *faulty) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	out := b.Backend.Write(ctx, txs)
	if err := b.fault(); err != nil {
		for i := range out {
			out[i] = backends.Outcome{Err: err}
		}
	}
	return out
}

func (b *faulty) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (map[string]int, error) {
	if err := b.fault(); err != nil {
		return nil, err
	}
	return b.Backend.Collections(ctx, s, notBefore)
}

func (b *faulty) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	if err := b.fault(); err != nil {
		return nil, err
	}
	return b.Backend.Cursor(ctx, raw)
}
