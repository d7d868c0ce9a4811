package hub

import (
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// deliver appends a batch to the logs of the scopes it touches, then notifies their followers.
func (h *Hub) deliver(batch backends.Batch) {
	waiting, groups := h.record(batch)
	h.tellReserved(&batch)
	for _, s := range waiting { // one of them may be notified by its group as well, which does no harm
		s.follower.Wake()
	}
	for _, g := range groups {
		g.notify()
	}
}

// record appends a batch under the lock. It returns the subscriptions that waited for the cursor to
// move, and the groups that have something to take.
func (h *Hub) record(batch backends.Batch) (waiting []*Subscription, groups []*shardGroup) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cursor = batch.Cursor
	if batch.LostAll {
		h.ahead = nil // it may be another database's
		h.losses++
	}
	h.recent.note(time.Now(), h.cursor, batch.LostAll)
	h.moves++
	h.cursorMoved(batch.LostAll)
	h.metrics.Batch(len(batch.Changes))
	for s := range h.waiting {
		waiting = append(waiting, s)
	}
	clear(h.waiting)
	for scope, e := range h.entries(batch) {
		log := h.scopes[scope]
		h.append(log, e)
		for _, g := range log.groups {
			groups = append(groups, g)
		}
	}
	return waiting, groups
}

// entries sorts a batch by scope. It leaves out scopes that nobody follows.
func (h *Hub) entries(batch backends.Batch) map[protocol.Scope]*entry {
	entries := map[protocol.Scope]*entry{}
	reset := func(s protocol.Scope) {
		if h.scopes[s] != nil {
			entries[s] = &entry{cursor: batch.Cursor, reset: protocol.ResetLost, replaced: batch.LostAll}
		}
	}
	for i := range batch.Changes {
		c := &batch.Changes[i]
		if h.scopes[c.Ref.Scope] == nil {
			continue
		}
		e := entries[c.Ref.Scope]
		if e == nil {
			e = &entry{cursor: batch.Cursor}
			entries[c.Ref.Scope] = e
		}
		e.add(c)
	}
	for _, s := range batch.Lost {
		reset(s)
	}
	if batch.LostAll {
		for s := range h.scopes {
			reset(s)
		}
	}
	return entries
}

// append adds an entry to a log, then drops old entries until the log and all logs together are
// within their bounds.
func (h *Hub) append(log *scopeLog, e *entry) {
	h.order = append(h.order, logEntry{log, log.append(e)})
	h.stats.bytes += e.bytes
	h.stats.entries++
	for log.bytes > maxLogBytes {
		h.dropFirst(log)
	}
	for h.stats.bytes > h.budget && len(h.order) > 0 {
		oldest := h.order[0]
		h.order = h.order[1:]
		if oldest.index == oldest.log.first { // else it went with its log's own bound
			h.dropFirst(oldest.log)
		}
	}
	if len(h.order) > 2*h.stats.entries+64 {
		h.order = slices.DeleteFunc(h.order, func(e logEntry) bool { return e.index < e.log.first })
	}
}

func (h *Hub) dropFirst(log *scopeLog) {
	h.stats.bytes -= log.dropFirst()
	h.stats.entries--
}
