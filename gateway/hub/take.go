package hub

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Delivery is one part of a Subscription's stream.
type Delivery struct {
	// Reset, if not empty, says why all copies are void. It comes before Changes.
	Reset string
	// Replaced: the reset is because the database is another one. Cursors of before mean nothing.
	Replaced bool
	Changes  []*Change
	// Boundary: everything up to Cursor has been taken, and a bookmark may stand here.
	Boundary bool
	Cursor   backends.Cursor
	bookmark []byte
	moves    int64 // the hub's, at the time
}

// Take hands out what comes next: about maxBytes of changes, ending at a boundary where it can. A
// subscription that is Behind has nothing to hand out before it has caught up.
func (s *Subscription) Take(maxBytes int) Delivery {
	d := Delivery{}
	if !s.interest.any() {
		s.skip()
	}
	for maxBytes > 0 && s.refill(&d) {
		c := s.pending[0]
		s.pending = s.pending[1:]
		if s.interest.wants(&c.Change) {
			d.Changes = append(d.Changes, c)
			maxBytes -= c.size()
		}
		s.finishBatch()
	}
	s.mark(&d)
	return d
}

// skip goes to the log's end: a client that follows nothing misses nothing, and need not keep up.
// What it reads from here on must not be older, or a later subscription would miss what lies
// between. That everything was lost it misses: what it has read is void, and no read can be as new.
func (s *Subscription) skip() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.pending, s.nextFloor, s.next, s.behind = nil, nil, s.log.end(), false
	if s.losses != s.hub.losses {
		s.losses = s.hub.losses
		s.startOver(protocol.ResetLost, s.hub.cursor, true)
		return
	}
	s.raiseDone(s.hub.cursor)
	s.Answered(s.done)
}

// refill makes sure that something is pending. It returns false when nothing is, or when copies
// have become void.
func (s *Subscription) refill(d *Delivery) bool {
	for len(s.pending) == 0 {
		e := s.nextEntry()
		if e == nil {
			return s.handOutReset(d)
		}
		if e.reset != "" {
			if e.replaced {
				s.losses++
			}
			s.startOver(e.reset, e.cursor, e.replaced)
			return s.handOutReset(d)
		}
		s.pending, s.pendingEnd = e.changes, e.cursor
		s.Answered(e.cursor)
		s.finishBatch()
	}
	return s.reset == "" || s.handOutReset(d)
}

// startOver voids what the client has. The stream goes on from a snapshot. Of a database that was
// replaced, no later answer can be as new as what was sent before, nor need it be: done and sent
// move back.
func (s *Subscription) startOver(reason string, from backends.Cursor, replaced bool) {
	s.reset, s.pending, s.nextFloor = reason, nil, nil
	if replaced {
		s.done, s.sent, s.replaced = from, from, true
		return
	}
	s.raiseDone(from)
	s.Answered(from)
}

// handOutReset puts a reset, if one is due, into d, where it voids what was taken so far. It always
// returns false.
func (s *Subscription) handOutReset(d *Delivery) bool {
	if s.reset != "" {
		d.Reset, d.Changes, s.reset = s.reset, nil, ""
		d.Replaced, s.replaced = s.replaced, false
		s.interest.floor = nil
	}
	return false
}

// finishBatch moves done to the end of a batch that has been taken whole. A catch-up may have gone
// beyond it.
func (s *Subscription) finishBatch() {
	if len(s.pending) > 0 {
		return
	}
	s.raiseDone(s.pendingEnd)
	if s.nextFloor == nil {
		s.interest.passed(s.pendingEnd)
		return
	}
	s.interest.floor, s.nextFloor = s.nextFloor, nil
}

// raiseDone moves done on, never back: a catch-up may have read more than the hub has heard of so
// far.
func (s *Subscription) raiseDone(c backends.Cursor) {
	if c.Reached(s.done) {
		s.done = c
	}
}

// nextEntry is the log's next entry; nil at its end. It notes when the log has dropped the
// position.
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

// mark notes a boundary. At the log's end its cursor is the hub's, unless a catch-up has gone
// beyond that: no change of this scope lies between.
func (s *Subscription) mark(d *Delivery) {
	if s.behind || len(s.pending) > 0 {
		return
	}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	d.moves = s.hub.moves
	if s.next == s.log.end() {
		s.interest.passed(s.hub.cursor)
		if s.hub.cursor.Reached(s.done) {
			s.done = s.hub.cursor
			s.Answered(s.done)
			d.bookmark = s.log.bookmarkAt(s.hub.cursor, s.hub.moves)
		}
	}
	d.Boundary, d.Cursor = true, s.done
}

// Bookmark is second:data:bookmark for the delivery's cursor.
func (s *Subscription) Bookmark(d *Delivery) []byte {
	if d.bookmark != nil {
		return d.bookmark
	}
	return encodeBookmark(s.log.scope, d.Cursor)
}
