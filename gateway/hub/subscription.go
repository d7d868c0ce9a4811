package hub

import (
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Subscription is one follower of a scope: a position in the scope's log. It belongs to one Session
// or Stream, which calls its methods one at a time, but for those that say otherwise.
//
// Its stream of changes is exact from where it began: nothing is left out, and the changes of a
// document are in commit order. Take and TakePrepared hand it out in parts.
type Subscription struct {
	hub      *Hub
	log      *scopeLog
	follower Follower
	group    *shardGroup
	place    int // in the group's members, under its mutex

	// next is the log entry to take next.
	next int64
	// pending is the rest of a batch that is being taken, from the log or the database. It leads to
	// pendingEnd.
	pending    []*Change
	pendingEnd backends.Cursor
	// nextFloor becomes the floor once pending has been taken: pending came from a catch-up up to
	// there.
	nextFloor backends.Cursor
	// done is the snapshot that everything taken so far leads to, at the last boundary between
	// batches.
	done backends.Cursor
	// sent is the newest snapshot that the client has seen anything of.
	sent   backends.Cursor
	behind bool   // the log does not reach back to done
	reset  string // a reason to hand out before anything else
	// replaced belongs to reset; see Delivery.
	replaced bool
	// losses is the hub's count up to which the client has been told of them.
	losses int64

	interest interest
	// listening is false while nothing is followed: the hub then notifies nobody of the scope's
	// changes.
	listening atomic.Bool
}

// Follow follows a scope from a snapshot on; nil: from the hub's cursor. all follows every change,
// otherwise Listen says what is followed. A subscription whose from lies before the log is Behind.
// The shard on serves the follower; nil: the hub wakes it.
func (h *Hub) Follow(s protocol.Scope, from backends.Cursor, all bool, f Follower, on *Shard) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	log := h.live(s)
	sub := &Subscription{
		hub: h, log: log, follower: f, next: log.end(), done: h.cursor, sent: h.cursor, losses: h.losses,
	}
	sub.interest.all = all
	sub.listening.Store(all)
	h.metrics.Followed(1)
	if from != nil {
		sub.resume(from)
	}
	log.join(sub, on)
	return sub
}

// resume moves the position to a cursor that a client holds. A cursor that is ahead of the hub
// needs no history: the stream goes on where the hub is, less what the cursor covers.
func (s *Subscription) resume(from backends.Cursor) {
	s.sent, s.interest.floor = from, from
	if !s.hub.cursor.Reached(from) {
		return
	}
	s.done = from
	s.behind = !from.Reached(s.log.start)
	for s.next = s.log.first; s.next < s.log.end(); s.next++ {
		if !from.Reached(s.log.entries[s.next-s.log.first].cursor) {
			return
		}
	}
}

// Close ends the following.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.waiting, s)
	s.log.leave(s)
	s.hub.metrics.Followed(-1)
}

// Scope is what is followed. Any goroutine may call it.
func (s *Subscription) Scope() protocol.Scope { return s.log.scope }

// Sent is a snapshot that no later answer on the same connection may be older than.
func (s *Subscription) Sent() backends.Cursor { return s.sent }

// Answered notes that the client has seen an answer from a snapshot.
func (s *Subscription) Answered(c backends.Cursor) {
	if c.Reached(s.sent) {
		s.sent = c
	}
}

// Followers is how many follow the scope, this one included.
func (s *Subscription) Followers() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.log.followers
}

// WakeOnMove asks for one wake when the hub's cursor moves, and has the feed look whether it does:
// a read may have seen a later snapshot in which nothing has changed that the feed delivers. It
// returns false if the cursor has moved since d was taken.
func (s *Subscription) WakeOnMove(d *Delivery) bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.hub.moves != d.moves {
		return false
	}
	s.hub.waiting[s] = struct{}{}
	s.hub.feed.Poke()
	return true
}
