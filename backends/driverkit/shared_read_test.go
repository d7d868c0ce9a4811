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

// gauge counts reads, each of which waits to be let go on.
type gauge struct {
	driverkit.SharedRead[int64]
	reads  atomic.Int64
	inside atomic.Int64
	goOn   chan struct{}
}

func newGauge() *gauge {
	g := &gauge{goOn: make(chan struct{})}
	g.Enter = func(ctx context.Context) (context.Context, func(), error) {
		g.inside.Add(1)
		return ctx, func() { g.inside.Add(-1) }, nil
	}
	g.Load = func(context.Context) (int64, error) {
		n := g.reads.Add(1)
		<-g.goOn
		return n, nil
	}
	return g
}

// asking is a context that counts who waits: Read looks at Done once it has joined a read.
type asking struct {
	context.Context
	waiting *atomic.Int64
}

func (a asking) Done() <-chan struct{} {
	a.waiting.Add(1)
	return a.Context.Done()
}

// TestSharedReads: those who ask while a read is under way share the next, which begins after they
// asked: what the first has read may be older than what they have seen.
func TestSharedReads(t *testing.T) {
	g := newGauge()
	var all sync.WaitGroup
	var waiting atomic.Int64
	ask := func(want int64) {
		all.Go(func() {
			n, err := g.Read(asking{t.Context(), &waiting})
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
	close(g.goOn)
	all.Wait()
	require.EqualValues(t, 2, g.reads.Load())
	require.Eventually(t, func() bool { return g.inside.Load() == 0 }, 10*time.Second, time.Millisecond, "Close would wait for ever")
}

// TestSharedReadsWait: nobody waits longer than its own context for a read that others share.
func TestSharedReadsWait(t *testing.T) {
	g := newGauge()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := g.Read(ctx)
		failed <- err
	}()
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	close(g.goOn)
}
