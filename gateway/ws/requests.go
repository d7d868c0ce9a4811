package ws

import (
	"context"
	"errors"

	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// task is a request in the queue, or what was wrong with a frame.
type task struct {
	request protocol.Request
	bytes   int
	err     *protocol.Error
}

// read takes one frame into the queue. It returns false when the connection is over.
func (s *Session) read() bool {
	// Closing the connection ends the read. A context of its own would cost a timer and a callback
	// each time.
	frame, err := s.conn.Read(context.Background())
	if err != nil {
		s.closeFor(err)
		return false
	}
	t := task{bytes: len(frame)}
	var malformed error
	err = s.env.Parse(s.ctx, frame, func(frame []byte) {
		t.request, malformed = protocol.DecodeRequest(frame, s.env.Limits)
	})
	if err != nil {
		return false
	}
	errors.As(malformed, &t.err)
	return s.enqueue(t)
}

// closeFor tells the peer what was wrong with its frame, where that ends the connection.
func (s *Session) closeFor(err error) {
	switch {
	case errors.Is(err, socket.ErrNotText):
		_ = s.conn.Close(socket.NoTextMessage, "send JSON as text messages")
	case errors.Is(err, socket.ErrNotUTF8):
		_ = s.conn.Close(socket.InvalidText, "text messages must be UTF-8")
	}
}

// enqueue waits until there is room. That is how the gateway stops reading from a client that asks
// too fast.
func (s *Session) enqueue(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && (len(s.queue)+s.executing >= s.env.Limits.Requests || s.queueBytes > maxQueued) {
		s.cond.Wait()
	}
	switch {
	case s.ended:
		return false
	case s.left: // no answer would arrive. Reading goes on for the peer's close.
		return true
	}
	s.queue = append(s.queue, t)
	s.queueBytes += t.bytes
	s.env.Metrics.Queued(1)
	if !s.working {
		s.working = true
		s.worker.Go(s.work)
	}
	return true
}
