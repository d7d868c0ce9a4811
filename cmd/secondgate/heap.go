package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// smallHeap is how large a busy heap may always grow, in bytes: Go's own rule collects a small one
	// every 4 MiB, which is a tenth of the CPU of a busy gateway.
	smallHeap = 32 << 20
	// busyPercent is GOGC for a large heap while there is much garbage, which is Go's own rule;
	// quietPercent while there is little: thousands of idle subscribers would cost half as much again
	// as they need to.
	busyPercent, quietPercent = 100, 40
	// mostPercent is not to trust a first look, at next to nothing.
	mostPercent = 400
	// busyCycles is from how many collections a second on the heap is busy, and settling for how many
	// seconds it must have been quiet to be taken for quiet.
	busyCycles, settling = 2, 3
)

// keepHeap sets GOGC by how busy the heap is, until it is stopped. When all has become quiet, as
// after thousands of handshakes, what they leave behind goes back to the system.
func keepHeap() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		k := heapKeeper{set: func(percent int) { debug.SetGCPercent(percent) }, release: debug.FreeOSMemory}
		for ctx.Err() == nil {
			k.look(readHeap())
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// heapKeeper decides once a second.
type heapKeeper struct {
	set     func(percent int)
	release func()

	cycles  int // collections so far
	quiet   int // seconds
	percent int
}

// look takes how many collections there have been, and how many bytes the last one found alive.
func (k *heapKeeper) look(cycles, live int) {
	busy := cycles-k.cycles >= busyCycles
	k.cycles = cycles
	if k.quiet++; busy {
		k.quiet = 0
	}
	percent := quietPercent
	if k.quiet < settling {
		percent = min(max((smallHeap-live)/(live/100+1), busyPercent), mostPercent)
	}
	if k.quiet == settling {
		k.release()
	}
	if percent != k.percent { // setting it stops the world for a moment
		k.percent = percent
		k.set(percent)
	}
}

// readHeap reads how many collections there have been, and how much counts as alive in their rule:
// heap, stacks and globals.
func readHeap() (cycles, live int) {
	samples := []metrics.Sample{
		{
			Name: "/gc/cycles/total:gc-cycles",
		}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(samples)
	for _, s := range samples[1:] {
		live += int(s.Value.Uint64())
	}
	return int(samples[0].Value.Uint64()), live
}
