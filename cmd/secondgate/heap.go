package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// smallHeap is how large a heap may always grow, in bytes: Go's own rule collects a small one every 4 MiB, a tenth of the
	// CPU of a busy gateway.
	smallHeap = 16 << 20
	// leastPercent is GOGC for a heap above: by Go's own rule, twice of what lives, thousands of idle subscribers cost half
	// as much again as they need to.
	leastPercent = 40
	// mostPercent is not to trust a first look, at next to nothing.
	mostPercent = 400
)

// keepHeap sets GOGC after each collection by what that found alive, until it is stopped.
func keepHeap() (stop func()) {
	stopped := &atomic.Bool{}
	afterCollection(func() bool {
		if stopped.Load() {
			return false
		}
		debug.SetGCPercent(gcPercent(liveBytes()))
		return true
	})
	return func() { stopped.Store(true) }
}

// afterCollection calls f after each collection, soon, as long as it says so.
func afterCollection(f func() bool) {
	garbage := new([16]byte) // too big to share a block with others
	runtime.SetFinalizer(garbage, func(*[16]byte) {
		if f() {
			afterCollection(f)
		}
	})
}

// gcPercent is GOGC for what the last collection found alive.
func gcPercent(live int) int {
	return min(max((smallHeap-live)/(live/100+1), leastPercent), mostPercent)
}

// liveBytes is what the collector's rule counts: the heap that was alive, and stacks and globals.
func liveBytes() (sum int) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		sum += int(s.Value.Uint64())
	}
	return sum
}
