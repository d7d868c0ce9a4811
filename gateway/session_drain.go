package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// step is what the drain does next.
type step int

const (
	stepEnd     step = iota // everything has been sent
	stepSend                // a frame
	stepPing                // a ping, between frames
	stepCatchUp             // the log has passed the session by
	stepLeave               // everything has been sent and the gateway is stopping
)

// frames are buffers that joined messages are copied into.
var frames = sync.Pool{New: func() any { b := make([]byte, socket.HeaderSpace, 4<<10); return &b }}

// drain sends what there is to send, and ends when it has caught up. What a slow client does not take stays in the
// scope's shared log.
func (s *Session) drain() {
	messages, next := s.gather()
	s.drainFrom(messages, next)
}

// drainHere sends one frame, which is nearly always all there is, and leaves what there is beyond it to a drain.
func (s *Session) drainHere() {
	messages, next := s.gather()
	if next == stepSend {
		if !s.send(messages) {
			return
		}
		messages, next = s.gather()
	}
	if next != stepEnd {
		s.tasks.Go(func() { s.drainFrom(messages, next) })
	}
}

// send writes one frame; false if the connection is over. The reader ends the session then, once it notices: while it
// reads it does so by itself, while it waits for room it must be told.
func (s *Session) send(messages [][]byte) bool {
	if len(messages) == 1 {
		return s.sent(s.conn.Write(messages[0]))
	}
	if !s.own {
		if frame := s.sub.log.frames.of(messages); frame != nil {
			return s.sent(s.conn.Send(frame))
		}
	}
	buffer := frames.Get().(*[]byte)
	defer frames.Put(buffer)
	*buffer = protocol.AppendFrame((*buffer)[:socket.HeaderSpace], messages...)
	return s.sent(s.conn.Send(socket.Frame(*buffer)))
}

// sent takes the outcome of a write.
func (s *Session) sent(err error) bool {
	if err == nil {
		return true
	}
	s.conn.CloseNow()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.cond.Broadcast()
	return false
}

func (s *Session) drainFrom(messages [][]byte, next step) {
	for ; ; messages, next = s.gather() {
		switch next {
		case stepSend:
			if !s.send(messages) {
				return
			}
		case stepPing:
			if !s.sent(s.conn.Ping()) {
				return
			}
		case stepCatchUp:
			if !s.catchUp() {
				return
			}
		case stepLeave:
			_ = s.conn.Close(socket.GoingAway, "the gateway is stopping: connect again")
			return
		default:
			return
		}
	}
}

// gather collects the messages of the next frame: answers, then, unless a read holds them back, changes.
func (s *Session) gather() ([][]byte, step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe {
		s.probe = false
		return nil, stepPing
	}
	messages, size := s.takeOut()
	s.own = len(messages) > 0
	if s.holding == 0 && size < frameBytes {
		if _, behind := s.sub.Position(); behind && len(messages) == 0 {
			return nil, stepCatchUp
		}
		messages = s.takeChanges(messages, frameBytes-size)
	}
	switch {
	case len(messages) > 0:
		return messages, stepSend
	case s.behind():
		return nil, stepCatchUp
	case s.leaving && len(s.queue) == 0 && s.executing == 0:
		return nil, stepLeave
	}
	s.draining = false
	return nil, stepEnd
}

func (s *Session) behind() bool {
	_, behind := s.sub.Position()
	return behind && s.holding == 0
}

// takeOut takes the answers that wait, as many as make a frame.
func (s *Session) takeOut() (messages [][]byte, size int) {
	n := 0
	for n < len(s.out) && size < frameBytes {
		size += len(s.out[n])
		n++
	}
	messages = slices.Clone(s.out[:n])
	s.out = s.out[n:]
	if len(s.out) == 0 {
		s.out = nil
	}
	s.outBytes -= size
	if n > 0 {
		s.cond.Broadcast()
	}
	return messages, size
}

// takeChanges adds what the stream has, and the bookmark and settlements that follow it.
func (s *Session) takeChanges(messages [][]byte, maxBytes int) [][]byte {
	for {
		d := s.sub.Take(maxBytes)
		if d.Reset != "" {
			s.gateway.config.Metrics.reset(d.Reset)
			messages = append(messages, protocol.AppendReset(nil, d.Reset, s.spread()))
			s.awaited, s.dirty, s.own = nil, true, true
		}
		s.gateway.config.Metrics.delivered(doorSocket, len(d.Changes))
		for _, c := range d.Changes {
			messages = append(messages, c.JSON())
			s.dirty = true
		}
		if !d.Boundary {
			return messages
		}
		waiting := s.prune(d.Cursor)
		if waiting == 0 && s.due(d.Cursor) {
			messages = s.mark(messages, &d)
		}
		if waiting+len(s.settling) == 0 || len(messages) > 0 || s.sub.WakeOnMove(&d) {
			return messages
		}
	}
}

// prune forgets the awaited snapshots that the stream has reached, unless it is the last of them that makes a
// bookmark due; it tells how many are left.
func (s *Session) prune(c backends.Cursor) (left int) {
	before := len(s.awaited)
	s.awaited = slices.DeleteFunc(s.awaited, c.Reached)
	if before > 0 && len(s.awaited) == 0 {
		s.dirty = true // a bookmark is owed for the answers
	}
	return len(s.awaited)
}

// due tells whether a bookmark at c would tell the client anything.
func (s *Session) due(c backends.Cursor) bool {
	return s.dirty || s.heartbeat || slices.ContainsFunc(s.settling, func(w settlement) bool { return w.covered(c) })
}

// mark adds the bookmark and settles the writes that it covers.
func (s *Session) mark(messages [][]byte, d *Delivery) [][]byte {
	messages = append(messages, s.sub.Bookmark(d))
	s.dirty, s.heartbeat = false, false
	s.settling = slices.DeleteFunc(s.settling, func(w settlement) bool {
		if !w.covered(d.Cursor) {
			return false
		}
		messages, s.own = append(messages, protocol.AppendSettled(nil, w.requestID)), true
		return true
	})
	return messages
}

// spread is over how many milliseconds clients should spread their lists after a reset: two for each follower.
func (s *Session) spread() int { return min(2*s.sub.Followers(), 10_000) }

// catchUp reads from the database what the log has dropped; false when the session ends meanwhile.
func (s *Session) catchUp() bool {
	s.mu.Lock()
	from, _ := s.sub.Position()
	s.mu.Unlock()
	c, err := s.sub.catchUpPatiently(s.ctx, from)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sub.CaughtUp(c)
	return true
}

// pause waits; false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
