package sse

import (
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// handoverTime is how long the next stream may take to be opened: clients need less to hand theirs
// over from one tab to another. store.Recent goes as far back.
const handoverTime = 10 * time.Second

// handovers remember streams that ended before they had told their last seconds. The stream that
// takes over begins where they began: its client has a copy, and no cursor.
type handovers struct {
	// tenSecondsAgo is where a stream begins if nobody hands over: see [store.Store.Recent].
	tenSecondsAgo func() (from backends.Cursor, known bool)

	mu    sync.Mutex
	begun map[protocol.Scope]*handover
}

// handover is where a stream began that has ended.
type handover struct {
	from   backends.Cursor
	forget *time.Timer
}

func newHandovers(s *store.Store) *handovers {
	return &handovers{tenSecondsAgo: s.Recent, begun: map[protocol.Scope]*handover{}}
}

// recent is where a stream without a cursor begins. known is false if everything was lost since.
func (h *handovers) recent(s protocol.Scope) (from backends.Cursor, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from, known = h.tenSecondsAgo()
	one := h.begun[s]
	switch {
	case one == nil || !known:
		return from, known
	case from.Reached(one.from):
		return one.from, true
	}
	return from, one.from.Reached(from) // else the two are of different databases
}

// end remembers where a stream began that has ended, for as long as another may take over.
func (h *handovers) end(scope protocol.Scope, began backends.Cursor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := &handover{from: began}
	if before := h.begun[scope]; before != nil {
		before.forget.Stop()
		if one.from.Reached(before.from) {
			one.from = before.from
		}
	}
	h.begun[scope] = one
	one.forget = time.AfterFunc(handoverTime, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.begun[scope] == one {
			delete(h.begun, scope)
		}
	})
}
