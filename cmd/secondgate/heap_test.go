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
	look := func(more, live int) { cycles += more; k.look(cycles, live) }

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
