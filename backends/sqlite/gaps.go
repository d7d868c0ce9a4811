package sqlite

import "time"

// gaps keep the write lock free for a share of the time. SQLite's lock has no queue: who finds it taken looks
// again after up to 100 ms, so a gateway that takes it again at once would keep everybody else out.
type gaps struct {
	since    time.Time     // when the lock was taken or freed
	debt     time.Duration // how much free time is owed
	outsides time.Time     // when another writer's commit was last seen
}

const (
	freeShare   = 10 // of 100, while nobody else writes
	sharedShare = 30 // of 100, while others do
	sharedFor   = 10 * time.Second
	shortestGap = 2 * time.Millisecond
	longestGap  = 50 * time.Millisecond
)

func (g *gaps) outsider(now time.Time) { g.outsides = now }

// taken counts the time that the lock was free.
func (g *gaps) taken() {
	now := time.Now()
	if !g.since.IsZero() {
		g.debt = max(0, g.debt-now.Sub(g.since))
	}
	g.since = now
}

// freed counts the time that the lock was held.
func (g *gaps) freed() {
	now := time.Now()
	share := time.Duration(freeShare)
	if now.Sub(g.outsides) < sharedFor {
		share = sharedShare
	}
	g.debt = min(longestGap, g.debt+now.Sub(g.since)*share/(100-share))
	g.since = now
}

// rest leaves the lock alone for as long as is owed, if more work waits. A writer that is idle owes nothing.
func (g *gaps) rest(busy bool, done <-chan struct{}) {
	if !busy || g.debt < shortestGap {
		return
	}
	select {
	case <-time.After(g.debt):
	case <-done:
	}
}
