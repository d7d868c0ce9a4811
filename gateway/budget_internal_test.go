package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestParseBudget: never are more bytes being parsed than the budget, whoever asks, and a text over the whole budget
// is parsed alone.
func TestParseBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newParseBudget(100)
		var now, most atomic.Int64
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				n := 10 + i*5 // up to 255
				release, err := b.acquire(t.Context(), n)
				require.NoError(t, err)
				counted := int64(min(n, 100))
				if in := now.Add(counted); in > most.Load() {
					most.Store(in)
				}
				time.Sleep(time.Second) // parsing, on the bubble's clock
				now.Add(-counted)
				release()
			})
		}
		all.Wait()
		require.LessOrEqual(t, most.Load(), int64(100))
		require.Positive(t, most.Load())

		release, err := b.acquire(t.Context(), 100)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = b.acquire(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded, "who waits can give up")
		release()
	})
}
