package sqlite

import (
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// localGroup is a group that this process has committed: everything that the log holds between two
// positions. The writer held the lock in between, so no change of another program lies between
// them. A feed at the first position need not read the changes from the database.
type localGroup struct {
	from, to cursor
	changes  []backends.Change
	weight   int
}

// maxLocal bounds the weight of the groups that wait in a feed. Beyond it, the feed drops them and
// reads the database.
const maxLocal = backends.MaxScopeBatch

// newLocalGroup makes the group of jobs that have been committed.
func newLocalGroup(jobs []*job, from, to cursor) localGroup {
	g := localGroup{from: from, to: to}
	for _, j := range jobs {
		if j.tx == nil || j.out.Replayed {
			continue
		}
		for _, c := range j.out.Changes {
			c.Before = nil // only the writer's answer has it
			g.changes = append(g.changes, c)
			g.weight += driverkit.Weight(&c)
		}
	}
	return g
}

// publish hands a committed group to all feeds of this process.
func (b *Backend) publish(g localGroup) {
	b.feeds.Each(func(f *feed) {
		f.offer(g)
		f.Poke()
	})
}

// offer keeps a group that follows on the last one. Otherwise the feed must read the database.
func (f *feed) offer(g localGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.at
	if n := len(f.local); n > 0 {
		last = f.local[n-1].to
	}
	if last != g.from || f.weight+g.weight > maxLocal {
		f.local, f.weight, f.lastRead = nil, 0, time.Time{}
		return
	}
	f.local = append(f.local, g)
	f.weight += g.weight
}

// takeLocal moves the feed over the groups that wait. It drops groups that a read of the database
// has already passed.
func (f *feed) takeLocal() (batch backends.Batch, moved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	local := f.local
	f.local, f.weight = nil, 0
	for len(local) > 0 && local[0].to.seq <= f.at.seq {
		local = local[1:]
	}
	if len(local) == 0 {
		return batch, false
	}
	if local[0].from != f.at {
		f.lastRead = time.Time{}
		return batch, false
	}
	batch.Changes = slices.Clip(local[0].changes) // other feeds share the array
	for _, g := range local[1:] {
		batch.Changes = append(batch.Changes, g.changes...)
	}
	f.at = local[len(local)-1].to
	batch.Cursor = f.at
	return batch, true
}

// readDue reports whether to read the database now: at every poll, and at once after groups were
// dropped.
func (f *feed) readDue(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.lastRead) < f.backend.options.Poll {
		return false
	}
	f.lastRead = now
	return true
}
