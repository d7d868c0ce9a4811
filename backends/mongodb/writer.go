package mongodb

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	// maxCall is how many transactions of one call of Write are queued together.
	maxCall = 128
	// maxGroup is how many transactions a group has, maxGroupBytes the size of their data. The
	// server bounds the size of the events of one transaction.
	maxGroup      = 256
	maxGroupBytes = 4 << 20
	writeWeight   = 1 << 10
	// maxCalls is how many calls wait in the queue. Beyond it, callers block.
	maxCalls = 256
	// groupTime bounds one group, whatever its callers' times are.
	groupTime = 15 * time.Second
)

// runGroup carries out a group and all calls that wait in one transaction of the database. If that
// fails, it carries out one call after the other.
func (b *Backend) runGroup(g *driverkit.Group[*call]) {
	if b.calls.Fill(g); len(g.Jobs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.life.Context(), groupTime)
	defer cancel()
	defer func() { b.options.Committed(g.Len(), b.calls.Waiting()) }()
	calls, tries := g.Jobs, groupTries
	if len(calls) == 1 {
		tries = maxTries
		if b.writeSingle(ctx, calls[0]) {
			calls[0].Finish(nil)
			return
		}
	}
	err := b.transact(ctx, calls, tries)
	oneByOne := err != nil && len(calls) > 1 && !errors.Is(err, errUnknown)
	for _, c := range calls {
		if oneByOne && ctx.Err() == nil {
			c.Finish(b.transact(ctx, []*call{c}, maxTries))
		} else {
			c.Finish(err)
		}
	}
}
