package main

import (
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeapKeeper(t *testing.T) {
	var percents []int
	released := 0
	k := heapKeeper{
		set: func(percent int) { percents = append(percents, percent) }, release: func() { released++ },
	}
	cycles := 0
	look := func(more, live int) { cycles += more; k.look(cycles, live, 0) }

	look(0, 1<<20)  // it begins as if it were busy, small
	look(9, 8<<20)  // it grows
	look(9, 40<<20) // beyond the small
	look(1, 40<<20)
	look(1, 40<<20)
	require.Zero(t, released)
	look(1, 40<<20) // three quiet seconds
	look(0, 40<<20)
	look(0, 40<<20)
	require.Equal(t, 1, released, "once")
	look(2, 40<<20) // busy at once
	require.Equal(t, []int{400, 299, 100, 40, 100}, percents)
}

// TestMemoryIsReleasedSoonAfterABurst, also after one of few collections, and of which clients held
// much when it was over. A busy heap and one that stays as it is cost nothing.
func TestMemoryIsReleasedSoonAfterABurst(t *testing.T) {
	released := 0
	k := heapKeeper{set: func(int) {}, release: func() { released++ }}
	cycles := 0
	seconds := func(n, cyclesEach, held int) (times int) {
		before := released
		for range n {
			cycles += cyclesEach
			k.look(cycles, 10<<20, held)
		}
		return released - before
	}
	seconds(100, 0, 20<<20)
	require.Zero(t, seconds(1000, 0, 20<<20), "nothing has happened")
	require.Zero(t, seconds(1, 1, 600<<20), "one large list")
	require.Equal(t, 1, seconds(settling, 0, 600<<20))
	require.Equal(t, 3, seconds(60, 0, 600<<20), "slow clients still held it")
	require.Zero(t, seconds(1000, 0, 600<<20), "it is in use")
	require.Zero(t, seconds(100, busyCycles, 600<<20), "busy")
	require.Equal(t, 1, seconds(settling, 0, 25<<20))
	require.Zero(t, seconds(1000, 0, 25<<20), "what is left is small")
}

// TestKeepHeap: what is set is what a test's small heap asks for.
func TestKeepHeap(t *testing.T) {
	before := debug.SetGCPercent(7)
	defer debug.SetGCPercent(before)
	stop := keepHeap()
	require.Eventually(t, func() bool {
		now := debug.SetGCPercent(7)
		debug.SetGCPercent(now)
		return now >= quietPercent && now <= mostPercent
	}, 10*time.Second, time.Millisecond)
	stop()
}
