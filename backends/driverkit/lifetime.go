package driverkit

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/protocol"
)

// ErrClosed answers calls that begin after Close, or that Close has ended.
var ErrClosed = protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping")

// Lifetime counts the calls and goroutines of an open backend. After Close no call is admitted.
type Lifetime struct {
	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc

	mu        sync.Mutex // guards closed and suspended, and running against an Add beside Wait
	closed    bool
	suspended error // why no call is admitted; nil: calls are
	running   sync.WaitGroup
}

// NewLifetime returns the Lifetime of a backend that is open.
func NewLifetime() *Lifetime {
	l := &Lifetime{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Context ends when Close begins.
func (l *Lifetime) Context() context.Context { return l.ctx }

// Suspend refuses all calls with an error, for as long as the database is not the one that was
// opened. nil admits calls again. Calls that are under way go on.
func (l *Lifetime) Suspend(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspended = reason
}

// Enter admits a call, which must end with Leave. It fails with ctx's error, with ErrClosed, or
// with the reason of Suspend.
func (l *Lifetime) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.suspended != nil {
		return l.suspended
	}
	l.running.Add(1)
	return nil
}

// Leave ends a call that Enter admitted.
func (l *Lifetime) Leave() { l.running.Done() }

// EnterContext is Enter for calls that Close must cut short: inner ends with ctx and with Close.
// The caller ends the call with leave.
func (l *Lifetime) EnterContext(ctx context.Context) (inner context.Context, leave func(), err error) {
	if err := l.Enter(ctx); err != nil {
		return nil, nil, err
	}
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	return inner, func() { stop(); cancel(); l.Leave() }, nil
}

// Go runs a goroutine that Close waits for. It must end soon after Context does.
func (l *Lifetime) Go(f func()) { l.running.Go(f) }

// Explain returns ErrClosed in place of an error that Close has caused, and other errors as they
// are. ctx is the caller's own context.
func (l *Lifetime) Explain(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && l.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// Close refuses new calls, ends Context and waits for all calls and goroutines.
func (l *Lifetime) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.running.Wait()
}
