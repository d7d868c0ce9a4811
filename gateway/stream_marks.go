package gateway

import (
	"time"

	"github.com/secondgate/secondgate/backends"
)

const (
	// recent is how far back a stream begins that brings no cursor: longer than a client needs to hand its stream over
	// from one tab to another.
	recent = 10 * time.Second
	// markEvery is how finely the past is remembered.
	markEvery = 250 * time.Millisecond
)

// marks remembers where the feed was of late: from each mark's time on it was at least at the mark's cursor.
type marks struct{ list []mark }

type mark struct {
	at     time.Time
	cursor backends.Cursor
}

// note adds a mark. The last one stands for all since the one before, until markEvery is over.
func (m *marks) note(now time.Time, c backends.Cursor) {
	n := len(m.list)
	if n >= 2 && m.list[n-1].at.Sub(m.list[n-2].at) < markEvery {
		m.list[n-1] = mark{now, c}
	} else {
		m.list = append(m.list, mark{now, c})
	}
	for len(m.list) > 1 && now.Sub(m.list[1].at) >= recent {
		m.list = m.list[1:]
	}
}

// before is the cursor of the state a while ago, or of the oldest that is known.
func (m *marks) before(at time.Time) backends.Cursor {
	c := m.list[0].cursor
	for _, mark := range m.list {
		if !mark.at.After(at) {
			c = mark.cursor
		}
	}
	return c
}

// Recently is where the feed was ten seconds ago.
func (h *Hub) Recently() backends.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.marks.before(time.Now().Add(-recent))
}
