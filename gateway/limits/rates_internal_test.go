package limits

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func (r *Rates) known() (n int) {
	for i := range r.shards {
		n += len(r.shards[i].byUser)
	}
	return n
}

// TestAllowancesAreBounded: users who come and go leave a bounded number of allowances. One that a
// connection holds stays, and so do what its user has used up.
func TestAllowancesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rates := NewRates(Rate{PerSecond: 1e-3, Burst: 1}, Rate{})
		held := rates.Hold("held")
		require.Zero(t, held.Request())
		for i := range 3 * allowanceShards * mostInShard / 2 {
			require.Zero(t, rates.Of("user"+strconv.Itoa(i)).Request())
		}
		require.LessOrEqual(t, rates.known(), allowanceShards*mostInShard)
		require.Same(t, held, rates.Of("held"))
		require.Positive(t, rates.Of("held").Request())
		require.Equal(t, 1, rates.Held())
		rates.Drop(held)
		require.Zero(t, rates.Held())
	})
}

// TestAllowancesAreForgotten once they are whole, as others come.
func TestAllowancesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rates := NewRates(Rate{PerSecond: 1, Burst: 1}, Rate{PerSecond: 1, Burst: 1})
		for i := range 5000 {
			require.Zero(t, rates.Of("old"+strconv.Itoa(i)).Request())
		}
		require.Equal(t, 5000, rates.known(), "they are in use")
		for i := range 5000 { // a second each
			time.Sleep(time.Second)
			require.Zero(t, rates.Of("new"+strconv.Itoa(i)).Request())
		}
		require.LessOrEqual(t, rates.known(), allowanceShards*(fewInShard+lookedAt))
	})
}
