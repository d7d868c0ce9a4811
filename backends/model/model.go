package model

import (
	"cmp"
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// Backend is one gateway's connection to a store.
type Backend struct {
	store *store
	life  *driverkit.Lifetime
}

var _ backends.Backend = (*Backend)(nil)

// New makes an empty database and opens it.
func New(o Options) *Backend { return open(newStore(o.withDefaults())) }

func open(s *store) *Backend { return &Backend{store: s, life: driverkit.NewLifetime()} }

// Reopen opens the same database a second time, as another process would.
func (b *Backend) Reopen() *Backend { return open(b.store) }

// Close ends all calls and waits for them.
func (b *Backend) Close() error {
	b.life.Close()
	return nil
}

// call runs f as a call that Close ends and waits for.
func (b *Backend) call(ctx context.Context, f func(ctx context.Context) error) error {
	inner, leave, err := b.life.EnterContext(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return b.explain(ctx, f(inner))
}

// locked runs f as a call, with the store locked.
func (b *Backend) locked(ctx context.Context, f func(*store) error) error {
	return b.call(ctx, func(ctx context.Context) error {
		b.store.mu.Lock()
		defer b.store.mu.Unlock()
		return f(b.store)
	})
}

// explain tells a context that Close has ended from one that the caller has ended.
func (b *Backend) explain(ctx context.Context, err error) error {
	if err == context.Canceled || err == context.DeadlineExceeded {
		return b.life.Explain(ctx, cmp.Or(ctx.Err(), err))
	}
	return err
}
