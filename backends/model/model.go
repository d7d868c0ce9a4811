package model

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Backend is one gateway's connection to a store.
type Backend struct {
	store   *store
	closing context.Context
	close   context.CancelFunc

	mu     sync.Mutex // guards calls against Close
	calls  sync.WaitGroup
	closed bool
}

var _ backends.Backend = (*Backend)(nil)

var errClosed = protocol.Errorf(protocol.CodeUnavailable, "the database is closed")

// New makes an empty database and opens it.
func New(o Options) *Backend { return open(newStore(o.withDefaults())) }

func open(s *store) *Backend {
	b := &Backend{store: s}
	b.closing, b.close = context.WithCancel(context.Background())
	return b
}

// Reopen opens the same database a second time, as another process would.
func (b *Backend) Reopen() *Backend { return open(b.store) }

// Close ends all calls and waits for them.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.close()
	b.calls.Wait()
	return nil
}

// enter begins a call: its context ends with the caller's and with Close. The caller runs leave at the end.
func (b *Backend) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, errClosed
	}
	b.calls.Add(1)
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.closing, cancel)
	return inner, func() { stop(); cancel(); b.calls.Done() }, nil
}

// explain tells a context that Close ended from one that the caller ended.
func (b *Backend) explain(ctx context.Context, err error) error {
	if err == context.Canceled && ctx.Err() == nil {
		return errClosed
	}
	if err == context.Canceled || err == context.DeadlineExceeded {
		return ctx.Err()
	}
	return err
}
