package limits_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/limits"
)

// TestParseBudget: never are more bytes being parsed than the budget, and a text over the whole
// budget is parsed alone.
func TestParseBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limits.NewParseBudget(100)
		var now, most atomic.Int64
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				n := 10 + i*5 // up to 255
				release, err := b.Acquire(t.Context(), n)
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

		release, err := b.Acquire(t.Context(), 100)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = b.Acquire(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded, "a caller that waits can give up")
		release()
	})
}
