package ws

import (
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// takeChanges adds what the stream has, and the bookmark and settlements that follow it. The caller
// holds mu.
func (s *Session) takeChanges(list [][]byte, maxBytes int) [][]byte {
	for {
		d := s.sub.Take(maxBytes)
		if d.Reset != "" {
			s.env.Metrics.Reset(d.Reset)
			list = append(list, protocol.AppendReset(nil, d.Reset, s.spread()))
			s.awaited, s.dirty = nil, true
			if d.Replaced {
				s.voidSettling()
			}
		}
		s.env.Metrics.Delivered(metrics.Socket, len(d.Changes))
		for _, c := range d.Changes {
			list = append(list, s.form.Message(c))
			s.dirty = true
		}
		if !d.Boundary {
			return list
		}
		waiting := s.prune(d.Cursor)
		if waiting == 0 && s.bookmarkDue(d.Cursor) {
			list = s.bookmark(list, &d)
		}
		if waiting+len(s.settling) == 0 || len(list) > 0 || s.sub.WakeOnMove(&d) {
			return list
		}
	}
}

// voidSettling has the writes under way settled with the next bookmark: the database that they were
// made in is gone, and no cursor of the new one covers them.
func (s *Session) voidSettling() {
	for i := range s.settling {
		s.settling[i].covered = func(backends.Cursor) bool { return true }
	}
}

// prune forgets the awaited snapshots that the stream has reached. The last of them makes a
// bookmark due. It returns how many are left.
func (s *Session) prune(c backends.Cursor) (left int) {
	before := len(s.awaited)
	s.awaited = slices.DeleteFunc(s.awaited, c.Reached)
	if before > 0 && len(s.awaited) == 0 {
		s.dirty = true // a bookmark is owed for the answers
	}
	return len(s.awaited)
}

// bookmarkDue reports whether a bookmark at c would tell the client anything.
func (s *Session) bookmarkDue(c backends.Cursor) bool {
	covered := func(w settlement) bool { return w.covered(c) }
	return s.dirty || s.heartbeat || slices.ContainsFunc(s.settling, covered)
}

// bookmark adds the bookmark, and settles the writes that it covers.
func (s *Session) bookmark(list [][]byte, d *hub.Delivery) [][]byte {
	list = append(list, s.sub.Bookmark(d))
	s.dirty, s.heartbeat = false, false
	s.settling = slices.DeleteFunc(s.settling, func(w settlement) bool {
		if !w.covered(d.Cursor) {
			return false
		}
		list = append(list, protocol.AppendSettled(nil, w.requestID))
		return true
	})
	return list
}

// spread is over how many milliseconds clients should spread their lists after a reset: two for
// each follower.
func (s *Session) spread() int { return min(2*s.sub.Followers(), 10_000) }
