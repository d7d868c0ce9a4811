package gateway

import (
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Subscription is one follower of a scope: a position in the scope's log. It belongs to one Session or
// Stream, which calls its methods one at a time.
//
// Its stream of changes, from where it began, is exact: nothing is left out, and per document the order is that of
// the commits. Take hands it out in parts.
type Subscription struct {
	hub      *Hub
	log      *scopeLog
	follower follower
	crew     *crew
	place    int // in the crew's members, under its mutex

	// next is the log entry to take next.
	next int64
	// pending is being taken: the rest of a batch from the log or the database, which leads to pendingEnd.
	pending    []*delivered
	pendingEnd backends.Cursor
	// nextFloor becomes the floor once pending has been taken: pending came from a catch-up up to there.
	nextFloor backends.Cursor
	// done is the snapshot that everything taken so far leads to, at the last boundary between batches.
	done backends.Cursor
	// sent is the newest snapshot of which the client has seen anything.
	sent   backends.Cursor
	behind bool   // the log does not reach back to done
	reset  string // to be told before anything else
	follow following
	// listening is false while nothing is followed: the hub then wakes nobody for the scope's changes.
	listening atomic.Bool
}

// Delivery is one part of a Subscription's stream.
type Delivery struct {
	// Reset, if not empty, says why all copies are void; it comes before Changes.
	Reset   string
	Changes []*delivered
	// Boundary: everything up to Cursor has been taken, so that a bookmark may stand here.
	Boundary bool
	Cursor   backends.Cursor
	bookmark []byte
	moves    int64 // the hub's, at the time
}

// Follow begins to follow a scope at the hub's cursor, or at from if that is not nil. A subscription whose
// from lies before the log is Behind: CatchUp comes first. The shard on (nil: none) rouses the follower.
func (h *Hub) Follow(s protocol.Scope, from backends.Cursor, all bool, f follower, on *shard) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	log := h.live(s)
	sub := &Subscription{hub: h, log: log, follower: f, next: log.end(), done: h.cursor, sent: h.cursor}
	sub.follow.all = all
	sub.listening.Store(all)
	h.metrics.followed(1)
	if from != nil {
		sub.resume(from)
	}
	log.join(sub, on)
	return sub
}

// resume moves the position to a cursor that a client holds. One that is ahead of the hub needs no history: the
// stream goes on where the hub is, less what the cursor covers.
func (s *Subscription) resume(from backends.Cursor) {
	s.sent, s.follow.floor = from, from
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
	s.hub.metrics.followed(-1)
}

// Listen follows a collection, or with an id one document of it, from the next Take on.
func (s *Subscription) Listen(collection, id string) {
	s.follow.add(collection, id)
	s.listening.Store(true)
}

// Unlisten ends what Listen began.
func (s *Subscription) Unlisten(collection, id string) {
	s.follow.remove(collection, id)
	s.listening.Store(s.follow.any())
}

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

// WakeOnMove asks for one wake when the hub's cursor moves, and has the feed look whether it does: a read may have seen a later
// snapshot in which nothing has changed that the feed is told of. False if it has moved since d was taken.
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

// Take hands out what comes next: about maxBytes of changes, ending at a boundary where it can. A subscription
// that is Behind has nothing to hand out before it has caught up.
func (s *Subscription) Take(maxBytes int) Delivery {
	d := Delivery{}
	if !s.follow.any() {
		s.skip()
	}
	for maxBytes > 0 && s.refill(&d) {
		c := s.pending[0]
		s.pending = s.pending[1:]
		if s.follow.wants(&c.Change) {
			d.Changes = append(d.Changes, c)
			maxBytes -= c.size()
		}
		s.finish()
	}
	s.mark(&d)
	return d
}

// skip goes to the log's end: whoever follows nothing misses nothing, and need not keep up. What is read from here on
// must not be older, or a subscription would miss what lies between.
func (s *Subscription) skip() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.pending, s.nextFloor, s.next, s.behind = nil, nil, s.log.end(), false
	s.reach(s.hub.cursor)
	s.Answered(s.done)
}

// refill makes sure that something is pending; it tells false when nothing is, or copies have become void.
func (s *Subscription) refill(d *Delivery) bool {
	for len(s.pending) == 0 {
		e := s.nextEntry()
		if e == nil {
			return s.tellReset(d)
		}
		s.pending, s.pendingEnd = e.changes, e.cursor
		s.Answered(e.cursor)
		if e.reset != "" {
			s.reset = e.reset
			s.finish()
			return s.tellReset(d)
		}
		s.finish()
	}
	return s.reset == "" || s.tellReset(d)
}

// tellReset puts a reset, if one is due, into d, where it voids what was taken so far. It is always false.
func (s *Subscription) tellReset(d *Delivery) bool {
	if s.reset != "" {
		d.Reset, d.Changes, s.reset = s.reset, nil, ""
		s.follow.floor = nil
	}
	return false
}

// finish moves done to the end of a batch that has been taken whole. A catch-up may have gone beyond it.
func (s *Subscription) finish() {
	if len(s.pending) > 0 {
		return
	}
	s.reach(s.pendingEnd)
	if s.nextFloor != nil {
		s.follow.floor, s.nextFloor = s.nextFloor, nil
	}
}

// reach moves done on, never back: the database may have told more than the hub has heard so far.
func (s *Subscription) reach(c backends.Cursor) {
	if c.Reached(s.done) {
		s.done = c
	}
}

// nextEntry is the log's next entry, nil at its end. It notes when the log has passed the position by.
func (s *Subscription) nextEntry() *entry {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.next < s.log.first {
		s.behind = true
	}
	if s.behind || s.next == s.log.end() {
		return nil
	}
	s.next++
	return s.log.entries[s.next-1-s.log.first]
}

// mark notes a boundary. At the log's end it is the hub's cursor, unless a catch-up has gone beyond that: no change of this
// scope lies between.
func (s *Subscription) mark(d *Delivery) {
	if s.behind || len(s.pending) > 0 {
		return
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	d.moves = s.hub.moves
	if s.next == s.log.end() && s.hub.cursor.Reached(s.done) {
		s.done = s.hub.cursor
		s.Answered(s.done)
		d.bookmark = s.log.bookmarkAt(s.hub.cursor, s.hub.moves)
	}
	s.follow.reached(s.done)
	d.Boundary, d.Cursor = true, s.done
}

// Bookmark is second:data:bookmark for the delivery's cursor.
func (s *Subscription) Bookmark(d *Delivery) []byte {
	if d.bookmark != nil {
		return d.bookmark
	}
	return encodeBookmark(s.log.scope, d.Cursor)
}
