package limits_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/limits"
)

// TestAllowanceIsABurstAndThenARate. The clock is the bubble's.
func TestAllowanceIsABurstAndThenARate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rates := limits.NewRates(limits.Rate{PerSecond: 10, Burst: 20}, limits.Rate{PerSecond: 100, Burst: 400})
		a := rates.Hold("u")
		for range 20 {
			require.Zero(t, a.Request())
		}
		require.Equal(t, 100*time.Millisecond, a.Request(), "the burst is used up")
		require.Equal(t, 100*time.Millisecond, a.Request(), "a refusal costs nothing")
		time.Sleep(100 * time.Millisecond)
		require.Zero(t, a.Request())
		require.Positive(t, a.Request())

		require.Zero(t, a.Bytes(400))
		require.Equal(t, 2500*time.Millisecond, a.Bytes(250))
		require.Equal(t, 4*time.Second, a.Bytes(1_000_000), "as if it were a burst")
		time.Sleep(4 * time.Second)
		require.Zero(t, a.Bytes(1_000_000))
		require.Positive(t, a.Bytes(1))
		rates.Drop(a)
	})
}

// TestAllowanceIsTheUsers: over connections and requests of one user, and nobody else's.
func TestAllowanceIsTheUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rates := limits.NewRates(limits.Rate{PerSecond: 1, Burst: 3}, limits.Rate{})
		first, second := rates.Hold("u"), rates.Hold("u")
		require.Zero(t, first.Request())
		require.Zero(t, second.Request())
		require.Zero(t, rates.Of("u").Request())
		require.Positive(t, rates.Of("u").Request())
		require.Positive(t, first.Request())
		require.Zero(t, rates.Of("v").Request())
		require.Zero(t, first.Bytes(1<<40), "bytes have no limit")
	})
}

// TestNothingIsLimited without a user, or without a rate.
func TestNothingIsLimited(t *testing.T) {
	t.Parallel()
	some := limits.NewRates(limits.Rate{PerSecond: 1, Burst: 1}, limits.Rate{PerSecond: 1, Burst: 1})
	require.Nil(t, some.Of(""))
	require.Nil(t, some.Hold(""))
	require.Nil(t, limits.NewRates(limits.Rate{}, limits.Rate{}).Of("u"))
	var none *limits.Allowance
	require.Zero(t, none.Request())
	require.Zero(t, none.Bytes(1<<40))
	some.Drop(none)
}

// TestAllowanceCostsNoAllocation once its user is known.
func TestAllowanceCostsNoAllocation(t *testing.T) {
	rates := limits.NewRates(limits.Rate{PerSecond: 1e9, Burst: 1e9}, limits.Rate{PerSecond: 1e9, Burst: 1e9})
	user := strconv.Itoa(12345)
	held := rates.Hold(user)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if held.Request() != 0 || held.Bytes(100) != 0 || rates.Of(user).Request() != 0 {
			t.Error("it is refused")
		}
	}))
}
