package limits_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/limits"
)

const size = 8 << 20

// TestBudgetIsNeverOverdrawn: never is more held than the budget, whoever asks for what.
func TestBudgetIsNeverOverdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limits.NewBudget(size)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				room, err := b.Acquire(t.Context(), 10<<10+i*(200<<10)) // up to 9.6 MiB
				require.NoError(t, err)
				require.LessOrEqual(t, b.Held(), size)
				time.Sleep(time.Second) // the work, on the bubble's clock
				b.Release(room)
			})
		}
		all.Wait()
		require.Zero(t, b.Held())
	})
}

// TestSmallPassesLarge: a small request waits for no large one, neither for those that hold room
// nor for those that wait.
func TestSmallPassesLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limits.NewBudget(size)
		held, err := b.Acquire(t.Context(), size)
		require.NoError(t, err)
		var large sync.WaitGroup
		var order []int
		for i := range 3 {
			large.Go(func() {
				room, err := b.Acquire(t.Context(), size)
				require.NoError(t, err)
				order = append(order, i)
				b.Release(room)
			})
			synctest.Wait()
		}
		room, ok := b.TryAcquire(limits.Small)
		require.True(t, ok, "an eighth is kept for the small ones")
		b.Release(room)
		_, ok = b.TryAcquire(limits.Small + 1)
		require.False(t, ok, "a large one passed those that wait")
		b.Release(held)
		large.Wait()
		require.Equal(t, []int{0, 1, 2}, order)
		require.Zero(t, b.Held())
	})
}

// TestBudgetGivesUp: whoever waits ends with its context and keeps nothing, and what is taken
// beyond the budget has the next one wait.
func TestBudgetGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limits.NewBudget(size)
		b.Take(2 * size)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, n := range []int{1, size} {
			_, err := b.Acquire(ctx, n)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		b.Release(2 * size)
		require.Zero(t, b.Held())
		_, ok := b.TryAcquire(size)
		require.True(t, ok, "those that gave up are still in the way")
	})
}

// TestRead: a text is read whole, and room is taken with what has come, not with what may come.
func TestRead(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, limits.Free - 1, limits.Free, limits.Free + 1, 1 << 20} {
		whole, most := strings.Repeat("x", n), 0
		text, room, err := limits.Read(iotest.HalfReader(strings.NewReader(whole)), func(n int) (int, error) {
			most += n
			return n, nil
		})
		require.NoError(t, err)
		require.True(t, whole == string(text))
		require.Equal(t, most, room)
		require.LessOrEqual(t, room, 2*n+limits.Small+1)
		require.True(t, room == 0 || room > limits.Small, "it takes what is kept for the small")
		require.GreaterOrEqual(t, room+limits.Free, cap(text), "more is held than room was taken for")
	}
}

// TestReadFails with what refuses it or breaks, and tells the room that it has.
func TestReadFails(t *testing.T) {
	full := errors.New("there is no room")
	long := strings.Repeat("x", 1<<20)
	given := 0
	_, room, err := limits.Read(strings.NewReader(long), func(n int) (int, error) {
		if given > 0 {
			return 0, full
		}
		given = n
		return n, nil
	})
	require.ErrorIs(t, err, full)
	require.Equal(t, given, room)

	half := io.MultiReader(strings.NewReader(long), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, room, err = limits.Read(half, func(n int) (int, error) { return n, nil })
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Positive(t, room)
}
