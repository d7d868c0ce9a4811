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
	stepFlush               // the rest of a frame
	stepPing                // a ping, between frames
	stepCatchUp             // the log has passed the session by
	stepLeave               // everything has been sent and the gateway is stopping
)

// parcel is what the drain does next, and with what.
type parcel struct {
	step     step
	messages [][]byte // to make a frame of
	size     int      // of answers among them, in bytes
	frame    []byte   // one that was made for others too
}

// frames are buffers that joined messages are copied into.
var frames = sync.Pool{New: func() any { b := make([]byte, socket.HeaderSpace, 4<<10); return &b }}

// serve is the drain as long as nothing makes it wait: a frame, and then it is the others' turn. A goroutine does the rest.
func (s *Session) serve() {
	defer s.tasks.Done()
	p := s.gather()
	progress, err := s.try(&p)
	switch {
	case p.step == stepEnd || err == nil && progress == socket.Whole && s.over(&p):
		return
	case err != nil:
		s.tasks.Go(func() { s.sent(err) }) // to close waits for the reader
		return
	case progress == socket.Whole:
		s.tasks.Add(1)
		s.shard.addBehind(s)
		return
	case progress == socket.Begun:
		p = parcel{step: stepFlush}
	}
	s.drainLater(p)
}

// drainLater has a goroutine drain.
func (s *Session) drainLater(p parcel) { s.tasks.Go(func() { s.drainFrom(p) }) }

// try sends what takes no waiting.
func (s *Session) try(p *parcel) (socket.Progress, error) {
	switch {
	case p.step == stepPing:
		return s.conn.TryPing()
	case p.step != stepSend:
		return socket.Busy, nil
	case p.frame != nil:
		return s.conn.TrySend(p.frame)
	case p.size > 2*frameBytes: // a page of a list is better not copied twice
		return socket.Busy, nil
	}
	buffer := frames.Get().(*[]byte)
	defer frames.Put(buffer)
	return s.conn.TrySend(p.join(buffer))
}

// drain sends what there is to send, and ends when it has caught up. What a slow client does not take stays in the
// scope's shared log.
func (s *Session) drain() { s.drainFrom(s.gather()) }

// drainHere sends one frame, which is nearly always all there is, and leaves what there is beyond it to a drain.
func (s *Session) drainHere() {
	p := s.gather()
	if p.step == stepSend {
		if !s.send(&p) || s.over(&p) {
			return
		}
		p = s.gather()
	}
	if p.step != stepEnd {
		s.drainLater(p)
	}
}

// send writes one frame; false if the connection is over.
func (s *Session) send(p *parcel) bool {
	switch {
	case p.frame != nil:
		return s.sent(s.conn.Send(p.frame))
	case len(p.messages) == 1:
		return s.sent(s.conn.Write(p.messages[0]))
	}
	buffer := frames.Get().(*[]byte)
	defer frames.Put(buffer)
	return s.sent(s.conn.Send(p.join(buffer)))
}

// join makes the frame in a buffer.
func (p *parcel) join(buffer *[]byte) []byte {
	*buffer = protocol.AppendFrame((*buffer)[:socket.HeaderSpace], p.messages...)
	return socket.Frame(*buffer)
}

// sent takes the outcome of a write. The reader ends the session if it failed, once it notices: while it reads it does so
// by itself, while it waits for room it must be told.
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

// over ends the drain after a frame that was made for all, if nothing has come since: then there is no need to gather.
func (s *Session) over(p *parcel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.frame == nil || s.again || !s.sub.level() {
		return false
	}
	s.draining = false
	return true
}

// drainFrom waits where it has to, and then leaves the rest to the shard: goroutines that have much to send would be a queue
// that everybody waits in.
func (s *Session) drainFrom(p parcel) {
	for ; ; p = s.gather() {
		ok := true
		switch p.step {
		case stepSend:
			ok = s.send(&p) && !s.over(&p)
		case stepFlush:
			ok = s.sent(s.conn.Flush())
		case stepPing:
			ok = s.sent(s.conn.Ping())
		case stepCatchUp:
			ok = s.catchUp()
		case stepLeave:
			_ = s.conn.Close(socket.GoingAway, "the gateway is stopping: connect again")
			return
		default:
			return
		}
		if !ok {
			return
		}
		if s.shard != nil {
			s.tasks.Add(1)
			s.shard.addBehind(s)
			return
		}
	}
}

// gather collects the messages of the next frame: answers, then, unless a read holds them back, changes.
func (s *Session) gather() parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again = false
	if s.probe {
		s.probe = false
		return parcel{step: stepPing}
	}
	if j := s.takeJoint(); j != nil {
		return parcel{step: stepSend, frame: j.bytes}
	}
	messages, size := s.takeOut()
	if s.holding == 0 && size < frameBytes {
		if _, behind := s.sub.Position(); behind && len(messages) == 0 {
			return parcel{step: stepCatchUp}
		}
		messages = s.takeChanges(messages, frameBytes-size)
	}
	switch {
	case len(messages) > 0:
		return parcel{step: stepSend, messages: messages, size: size}
	case s.behind():
		return parcel{step: stepCatchUp}
	case s.leaving && len(s.queue) == 0 && s.executing == 0:
		s.left = true
		return parcel{step: stepLeave}
	}
	s.draining = false
	return parcel{step: stepEnd}
}

// takeJoint is what all followers get, if nothing of the session's own has to come before, behind or with it.
func (s *Session) takeJoint() *joint {
	if s.leaving || s.holding+len(s.out)+len(s.awaited)+len(s.settling) > 0 {
		return nil
	}
	j := s.sub.takeJoint(asFrame)
	if j != nil {
		s.gateway.config.Metrics.delivered(doorSocket, j.changes)
		s.dirty, s.heartbeat = false, false
	}
	return j
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
			s.awaited, s.dirty = nil, true
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
		messages = append(messages, protocol.AppendSettled(nil, w.requestID))
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
