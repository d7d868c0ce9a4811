package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGCPercent(t *testing.T) {
	for live, percent := range map[int]int{0: 400, 1 << 20: 400, 4 << 20: 299, 8 << 20: 99, 16 << 20: 40, 1 << 30: 40} {
		require.Equal(t, percent, gcPercent(live), "%d bytes", live)
	}
}

// TestKeepHeap: every collection sets what the heap asks for, until that is stopped.
func TestKeepHeap(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	setsAnew := func() bool {
		debug.SetGCPercent(7)
		runtime.GC()
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if now := debug.SetGCPercent(7); now != 7 {
				return now >= leastPercent && now <= mostPercent
			}
		}
		return false
	}
	stop := keepHeap()
	require.True(t, setsAnew())
	require.True(t, setsAnew())
	stop()
	require.Eventually(t, func() bool { return !setsAnew() }, 10*time.Second, time.Millisecond)
}
