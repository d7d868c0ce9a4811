package main

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway"
)

const (
	kib size = 1 << 10
	mib size = 1 << 20
)

const (
	// leastDocument keeps a missing unit from refusing all documents.
	leastDocument, mostDocument = kib, size(backends.MaxDocument)
	// leastFrame is what a frame may have at least, and envelope what it may have beside a document.
	leastFrame, envelope = 4 * mib, mib
)

const (
	// leastMemory is the least --memory. A quarter of it is the least that a gateway takes for its
	// clients.
	leastMemory = 64 * mib
	// unknownMachine is taken for the memory of a machine that does not tell.
	unknownMachine = 1024 * mib

	leastParsing, mostParsing = 256 * kib, 8 * mib
	mostLogs                  = 64 * mib
	// clientShare is which part of the memory is held for clients at most: one in so many.
	clientShare = 4
	// parseCost is how many bytes parsing may allocate for one byte of its input.
	parseCost = 64
)

// size is a number of bytes. It is written with a unit, such as 512MiB.
type size int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err == nil && n > math.MaxInt64 {
		err = fmt.Errorf("%d bytes are too many", n)
	}
	*s = size(n)
	return err
}

// String is exact: it has the largest unit that divides the size.
func (s size) String() string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	for len(units) > 1 && s != 0 && s%1024 == 0 {
		s, units = s/1024, units[1:]
	}
	return fmt.Sprintf("%d%s", int64(s), units[0])
}

// checkSizes sets --memory where nobody has, and fails on sizes that cannot be meant.
func (c *serve) checkSizes() error {
	if c.Memory == nil {
		half := halfOf(memlimit.FromCgroup, memlimit.FromSystem)
		c.Memory = &half
	}
	if *c.Memory < leastMemory {
		return badSetting("--memory is %v: it must be at least %v", *c.Memory, leastMemory)
	}
	if c.DocumentBytes < leastDocument || c.DocumentBytes > mostDocument {
		return badSetting("--document-bytes is %v: it must be from %v to %v",
			c.DocumentBytes, leastDocument, mostDocument)
	}
	if least := clientShare * gateway.FrameShare * c.DocumentBytes.frame(); *c.Memory < least {
		return badSetting("--document-bytes is %v, which needs a --memory of at least %v: it is %v",
			c.DocumentBytes, least, *c.Memory)
	}
	return nil
}

// frame is the limit of frames with which a document of the size can be written.
func (s size) frame() size { return max(leastFrame, s+envelope) }

// halfOf is half of the least that the sources tell, in whole mebibytes. A source without a limit
// fails.
func halfOf(sources ...memlimit.Provider) size {
	least := uint64(math.MaxUint64)
	for _, source := range sources {
		if n, err := source(); err == nil {
			least = min(least, n)
		}
	}
	if least > math.MaxInt64 {
		least = uint64(unknownMachine)
	}
	return max(size(least)/2/mib*mib, leastMemory)
}

// share sets a gateway's budgets to their shares of the memory. A byte that is held for a client
// costs about two in the heap, and what parsing allocates comes on top.
func (s size) share(config *gateway.Config) {
	config.MemoryBytes = int(s / clientShare)
	config.ParseBytes = int(min(max(s/4/parseCost, leastParsing), mostParsing))
	config.LogBytes = int(min(s/8, mostLogs))
}

// limitHeap has Go collect garbage before all of its memory is over the limit, until restore is
// called. GOMEMLIMIT goes first. keepHeap's GOGC holds beside it: whichever asks for a collection
// earlier gets one.
func limitHeap(limit size) (restore func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(int64(limit))
	return func() { debug.SetMemoryLimit(before) }
}
