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

// runGroup carries out a group and all calls that wait. Those that have conflicted before come
// last, and each by itself: one that conflicts again must keep no other from its turn.
func (b *Backend) runGroup(g *driverkit.Group[*call]) {
	if b.calls.Fill(g); len(g.Jobs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.life.Context(), groupTime)
	defer cancel()
	defer func() { b.options.Committed(g.Len(), b.calls.Waiting()) }()
	var fresh []*call
	for _, c := range g.Jobs {
		if !c.conflicted {
			fresh = append(fresh, c)
		}
	}
	if len(fresh) > 0 {
		b.runTogether(ctx, fresh)
	}
	for _, c := range g.Jobs {
		if c.conflicted {
			c.Finish(b.transact(ctx, []*call{c}, time.Now()))
		}
	}
}

// runTogether carries out calls in one transaction of the database. If that fails, it carries out
// one call after the other.
func (b *Backend) runTogether(ctx context.Context, calls []*call) {
	if len(calls) == 1 && b.aside.Load() == 0 && b.writeSingle(ctx, calls[0]) {
		calls[0].Finish(nil)
		return
	}
	begun := time.Now()
	err := b.transact(ctx, calls, begun.Add(groupPatience))
	oneByOne := err != nil && len(calls) > 1 && !errors.Is(err, errUnknown)
	for _, c := range calls {
		if oneByOne && ctx.Err() == nil {
			c.Finish(b.transact(ctx, []*call{c}, begun.Add(onePatience)))
		} else {
			c.Finish(err)
		}
	}
}
