package sqlite

import (
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// group is a committed group of this process: everything that the log holds between two positions. The writer held
// the lock from the first to the second, so nobody else's changes lie between, and a feed that is at the first need not
// read them back from the database.
type group struct {
	from, to cursor
	changes  []backends.Change
	weight   int
}

// maxOwn bounds the groups that wait in a feed, by the weight of their changes. A feed that is not read for so long
// forgets them and reads the database.
const maxOwn = backends.MaxScopeBatch

// told makes the group that jobs have committed.
func told(jobs []*job, from, to cursor) group {
	g := group{from: from, to: to}
	for _, j := range jobs {
		if j.tx == nil || j.out.Replayed {
			continue
		}
		for _, c := range j.out.Changes {
			c.Before = nil // that is for the writer's answer only
			g.changes = append(g.changes, c)
			g.weight += backends.Weight(&c)
		}
	}
	return g
}

// tell hands a committed group to all feeds of this process.
func (b *Backend) tell(g group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for f := range b.feeds {
		f.offer(g)
		f.Poke()
	}
}

// offer keeps a group that follows on what the feed has or is about to tell. After any other the feed has to look in
// the database.
func (f *feed) offer(g group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.at
	if n := len(f.own); n > 0 {
		last = f.own[n-1].to
	}
	if last != g.from || f.weight+g.weight > maxOwn {
		f.own, f.weight, f.looked = nil, 0, time.Time{}
		return
	}
	f.own = append(f.own, g)
	f.weight += g.weight
}

// takeOwn moves over the groups that wait, if any do. Those that a look in the database has passed are dropped.
func (f *feed) takeOwn() (batch backends.Batch, moved bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.own
	f.own, f.weight = nil, 0
	for len(own) > 0 && own[0].to.seq <= f.at.seq {
		own = own[1:]
	}
	if len(own) == 0 {
		return batch, false
	}
	if own[0].from != f.at {
		f.looked = time.Time{}
		return batch, false
	}
	batch.Changes = slices.Clip(own[0].changes) // other feeds have the same array
	for _, g := range own[1:] {
		batch.Changes = append(batch.Changes, g.changes...)
	}
	f.at = own[len(own)-1].to
	batch.Cursor = f.at
	return batch, true
}

// due tells whether it is time to look in the database: every poll, and at once after groups were missed.
func (f *feed) due(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.looked) < f.backend.options.Poll {
		return false
	}
	f.looked = now
	return true
}
