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
	// growing is how many bytes more in a second show a burst that needs few collections.
	growing = 8 << 20
)

// releases are the seconds after a burst at which memory goes back to the system. What clients, that
// read slowly or stay for a moment, hold at the first is garbage at a later one. Without them it
// would stay until Go's own collection, which comes every two minutes. Each costs a collection of a
// heap that is quiet.
var releases = []int{settling, 8, 20, 50}

// keepHeap sets GOGC by how busy the heap is, until it is stopped. When all has become quiet, as
// after thousands of handshakes or a large list, what they leave behind goes back to the system.
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

	held int // bytes at the last look
	calm int // seconds since the last sign of a burst
	due  int // the index in releases of the next one
}

// look takes how many collections there have been, how many bytes the last one found alive, and how
// many the heap holds of the system's memory.
func (k *heapKeeper) look(cycles, live, held int) {
	busy := cycles-k.cycles >= busyCycles
	k.cycles = cycles
	if k.quiet++; busy {
		k.quiet = 0
	}
	percent := quietPercent
	if k.quiet < settling {
		percent = min(max((smallHeap-live)/(live/100+1), busyPercent), mostPercent)
	}
	k.lookForBurst(busy, held)
	if percent != k.percent { // setting it stops the world for a moment
		k.percent = percent
		k.set(percent)
	}
}

// lookForBurst releases memory after a burst: first whatever there is, later only from a heap that is
// not small.
func (k *heapKeeper) lookForBurst(busy bool, held int) {
	grown := held - k.held
	k.held = held
	if k.calm++; busy || grown > growing {
		k.calm, k.due = 0, 0
	}
	if k.due == len(releases) || k.calm < releases[k.due] {
		return
	}
	if k.due == 0 || held > smallHeap {
		k.release()
	}
	k.due++
}

// readHeap reads how many collections there have been, how much counts as alive in their rule (heap,
// stacks and globals), and how much of the system's memory the heap holds.
func readHeap() (cycles, live, held int) {
	samples := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	for _, s := range samples[1:4] {
		live += int(s.Value.Uint64())
	}
	for _, s := range samples[4:] {
		held += int(s.Value.Uint64())
	}
	return int(samples[0].Value.Uint64()), live, held
}
