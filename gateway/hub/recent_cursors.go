package hub

import (
	"time"

	"github.com/secondgate/secondgate/backends"
)

const (
	// recentTime is how far back RecentCursor goes. A client needs less to hand its stream over from
	// one tab to another.
	recentTime = 10 * time.Second
	// recentStep is how finely the past is remembered.
	recentStep = 250 * time.Millisecond
)

// recentCursors remembers where the feed was in the last ten seconds: from each time on it was at
// least at that cursor.
type recentCursors struct{ list []timedCursor }

type timedCursor struct {
	at     time.Time
	cursor backends.Cursor
	// replaced: everything was lost since the entry before.
	replaced bool
}

// note adds the cursor of now. Within recentStep it replaces the one before. replaced: everything was
// lost since then.
func (r *recentCursors) note(now time.Time, c backends.Cursor, replaced bool) {
	n := len(r.list)
	if n >= 2 && r.list[n-1].at.Sub(r.list[n-2].at) < recentStep {
		r.list[n-1] = timedCursor{now, c, replaced || r.list[n-1].replaced}
	} else {
		r.list = append(r.list, timedCursor{now, c, replaced})
	}
	for len(r.list) > 1 && now.Sub(r.list[1].at) >= recentTime {
		r.list = r.list[1:]
	}
}

// before is the newest cursor of that time or earlier, else the oldest that is remembered. known is
// false if everything was lost after it.
func (r *recentCursors) before(at time.Time) (c backends.Cursor, known bool) {
	for i, one := range r.list {
		switch {
		case i == 0 || !one.at.After(at):
			c, known = one.cursor, true
		case one.replaced:
			known = false
		}
	}
	return c, known
}

// RecentCursor is where the feed was ten seconds ago. known is false if everything was lost since:
// nobody can tell what has changed after the cursor.
func (h *Hub) RecentCursor() (c backends.Cursor, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.recent.before(time.Now().Add(-recentTime))
}
