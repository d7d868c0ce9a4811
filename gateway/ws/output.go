package ws

import (
	"slices"
	"sync"

	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/sender"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// kind is what goes out.
type kind int

const (
	prepared kind = iota // a frame that was made for all followers
	messages             // messages to make a frame of
	ping
	catchUp // nothing yet: the log has dropped the session's position
	leave   // the close frame: the gateway is stopping, or the rights have ended
)

// outgoing is what goes out next.
type outgoing struct {
	kind     kind
	frame    []byte
	messages [][]byte
	size     int // of answers among the messages, in bytes
	held     int // of them, what the session accounts for until they are written
}

// frames are buffers that messages are joined in.
var frames = sync.Pool{New: func() any { b := make([]byte, socket.HeaderSpace, 4<<10); return &b }}

// Next collects the next frame: answers, then, unless a read holds them back, changes.
func (s *Session) Next() (outgoing, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ping {
		s.ping = false
		return outgoing{kind: ping}, true
	}
	if p := s.takePrepared(); p != nil {
		return outgoing{kind: prepared, frame: p.Bytes}, true
	}
	list, size := s.takeOut()
	if s.refused == nil && s.holding == 0 && size < hub.FrameBytes {
		if len(list) == 0 && s.behind() {
			return outgoing{kind: catchUp}, true
		}
		list = s.takeChanges(list, hub.FrameBytes-size)
	}
	switch {
	case len(list) > 0:
		o := outgoing{kind: messages, messages: list, size: size, held: size}
		if size < block { // a lock for each would cost more than it bounds
			s.account(-size)
			o.held = 0
		}
		return o, true
	case s.refused == nil && s.behind():
		return outgoing{kind: catchUp}, true
	case (s.leaving || s.refused != nil) && len(s.queue) == 0 && s.executing == 0 && !s.left:
		s.left = true
		return outgoing{kind: leave}, true
	}
	return outgoing{}, false
}

// takePrepared takes what all followers get, where nothing of the session's own has to come before,
// with or behind it.
func (s *Session) takePrepared() *hub.Prepared {
	if s.leaving || s.refused != nil || s.holding+len(s.out)+len(s.awaited)+len(s.settling) > 0 {
		return nil
	}
	p := s.sub.TakePrepared(s.form)
	if p != nil {
		s.env.Metrics.Delivered(metrics.Socket, p.Changes)
		s.dirty, s.heartbeat = false, false
	}
	return p
}

func (s *Session) behind() bool {
	_, behind := s.sub.Behind()
	return behind && s.holding == 0
}

// takeOut takes the answers that wait, as many as make a frame.
func (s *Session) takeOut() (list [][]byte, size int) {
	n := 0
	for n < len(s.out) && size < hub.FrameBytes {
		size += len(s.out[n])
		n++
	}
	list = slices.Clone(s.out[:n])
	s.out = s.out[n:]
	if len(s.out) == 0 {
		s.out = nil
	}
	s.outBytes -= size
	if n > 0 {
		s.cond.Broadcast()
	}
	return list, size
}

// Write sends what Next returned.
func (s *Session) Write(o outgoing, mode sender.Mode) (sender.Result, error) {
	switch {
	case mode == sender.NoWait:
		return s.try(&o)
	case s.begun:
		s.begun = false
		return s.written(&o, s.conn.Flush())
	}
	switch o.kind {
	case prepared:
		return s.written(&o, s.conn.Send(o.frame))
	case messages:
		return s.written(&o, s.send(&o))
	case ping:
		return s.written(&o, s.conn.Ping())
	}
	if mode != sender.Wait {
		return sender.Blocked, nil
	}
	if o.kind == catchUp {
		return sender.More, s.catchUp()
	}
	_ = s.conn.Close(s.closeCode())
	return sender.Last, nil
}

// try sends what takes no waiting.
func (s *Session) try(o *outgoing) (sender.Result, error) {
	progress, err := socket.Busy, error(nil)
	switch {
	case o.kind == prepared:
		progress, err = s.conn.TrySend(o.frame)
	case o.kind == ping:
		progress, err = s.conn.TryPing()
	case o.kind == messages && o.size <= 2*hub.FrameBytes: // a page of a list is better not copied twice
		buffer := frames.Get().(*[]byte)
		defer frames.Put(buffer)
		progress, err = s.conn.TrySend(o.join(buffer))
	}
	if progress == socket.Whole || err != nil {
		return s.written(o, err)
	}
	s.begun = progress == socket.Begun
	return sender.Blocked, nil
}

// written is Level after a prepared frame that was all there is: nothing of the session's own was
// there when it was taken.
func (s *Session) written(o *outgoing, err error) (sender.Result, error) {
	if o.held > 0 {
		s.mu.Lock()
		s.account(-o.held)
		s.mu.Unlock()
	}
	if o.kind == prepared && s.sub.Level() {
		return sender.Level, err
	}
	return sender.More, err
}

func (s *Session) send(o *outgoing) error {
	if len(o.messages) == 1 {
		return s.conn.Write(o.messages[0])
	}
	buffer := frames.Get().(*[]byte)
	defer frames.Put(buffer)
	return s.conn.Send(o.join(buffer))
}

// join makes one frame of the messages, in a buffer.
func (o *outgoing) join(buffer *[]byte) []byte {
	*buffer = protocol.AppendFrame((*buffer)[:socket.HeaderSpace], o.messages...)
	return socket.Frame(*buffer)
}

// Failed closes the connection. The reader ends the session once it notices: by itself while it
// reads, by the signal while it waits for room.
func (s *Session) Failed(error) {
	s.conn.CloseNow()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.cond.Broadcast()
}

// catchUp reads from the database what the log has dropped. It fails only when the session ends
// meanwhile.
func (s *Session) catchUp() error {
	s.mu.Lock()
	from, _ := s.sub.Behind()
	s.mu.Unlock()
	c, err := s.env.Store.RetryCatchUp(s.ctx, s.guard.Principal(), s.sub, from)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sub.CaughtUp(c)
	return nil
}
