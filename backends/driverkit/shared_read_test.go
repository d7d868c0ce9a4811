package driverkit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// gauge counts reads. Each read waits until proceed is closed.
type gauge struct {
	driverkit.SharedRead[int64]
	reads   atomic.Int64
	inside  atomic.Int64
	proceed chan struct{}
}

func newGauge() *gauge {
	g := &gauge{proceed: make(chan struct{})}
	g.Enter = func(ctx context.Context) (context.Context, func(), error) {
		g.inside.Add(1)
		return ctx, func() { g.inside.Add(-1) }, nil
	}
	g.Load = func(context.Context) (int64, error) {
		n := g.reads.Add(1)
		<-g.proceed
		return n, nil
	}
	return g
}

// waitCounter is a context that counts waiting callers: Read calls Done once it has joined a read.
type waitCounter struct {
	context.Context
	waiting *atomic.Int64
}

func (a waitCounter) Done() <-chan struct{} {
	a.waiting.Add(1)
	return a.Context.Done()
}

// TestReadsAreShared: callers that arrive during a read share the next one, which begins after they
// arrived. The result of the first read may be older than what they have seen.
func TestReadsAreShared(t *testing.T) {
	g := newGauge()
	var all sync.WaitGroup
	var waiting atomic.Int64
	ask := func(want int64) {
		all.Go(func() {
			n, err := g.Read(waitCounter{t.Context(), &waiting})
			assert.NoError(t, err)
			assert.Equal(t, want, n)
		})
	}
	ask(1)
	require.Eventually(t, func() bool { return g.reads.Load() == 1 }, 10*time.Second, time.Millisecond)
	for range 100 {
		ask(2)
	}
	require.Eventually(t, func() bool { return waiting.Load() == 101 }, 10*time.Second, time.Millisecond)
	close(g.proceed)
	all.Wait()
	require.EqualValues(t, 2, g.reads.Load())
	require.Eventually(t, func() bool { return g.inside.Load() == 0 }, 10*time.Second, time.Millisecond,
		"Close would wait for ever")
}

// TestReadEndsWithContext: a caller waits no longer than its own context lasts.
func TestReadEndsWithContext(t *testing.T) {
	g := newGauge()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := g.Read(ctx)
		failed <- err
	}()
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	close(g.proceed)
}
