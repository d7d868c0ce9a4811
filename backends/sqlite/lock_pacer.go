package sqlite

import "time"

// lockPacer keeps the write lock free for a share of the time. SQLite's lock has no queue: a writer
// that finds it taken looks again after up to 100 ms. A gateway that takes it again at once would
// starve other programs.
type lockPacer struct {
	since       time.Time     // when the lock was last taken or freed
	debt        time.Duration // how much free time is owed
	outsideSeen time.Time     // when a commit of another writer was last seen
}

const (
	freeShare   = 10 // percent of the time, while no other program writes
	sharedShare = 30 // percent of the time, while others do
	sharedFor   = 10 * time.Second
	shortestGap = 2 * time.Millisecond
	longestGap  = 50 * time.Millisecond
)

// sawOutsider notes a commit of another writer.
func (p *lockPacer) sawOutsider(now time.Time) { p.outsideSeen = now }

// taken counts the time for which the lock was free.
func (p *lockPacer) taken() {
	now := time.Now()
	if !p.since.IsZero() {
		p.debt = max(0, p.debt-now.Sub(p.since))
	}
	p.since = now
}

// freed counts the time for which the lock was held.
func (p *lockPacer) freed() {
	now := time.Now()
	share := time.Duration(freeShare)
	if now.Sub(p.outsideSeen) < sharedFor {
		share = sharedShare
	}
	p.debt = min(longestGap, p.debt+now.Sub(p.since)*share/(100-share))
	p.since = now
}

// rest leaves the lock free for the time that is owed, unless the writer is idle: then the lock is
// free anyway.
func (p *lockPacer) rest(busy bool, done <-chan struct{}) {
	if !busy || p.debt < shortestGap {
		return
	}
	select {
	case <-time.After(p.debt):
	case <-done:
	}
}
