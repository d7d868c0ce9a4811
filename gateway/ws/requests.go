package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

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
	message, packed, err := s.conn.Next(context.Background())
	if err != nil {
		s.closeFor(err)
		return false
	}
	text, room, err := s.take(message)
	if err == nil && packed {
		text, room, err = s.inflate(text, room)
	}
	defer func() { s.env.Memory.Release(room) }() // the queue holds it now
	if err != nil {
		s.closeFor(err)
		return false
	}
	t := task{bytes: len(text)}
	var malformed error
	t.err = s.env.Parse(s.ctx, text, func(text []byte) {
		t.request, malformed = protocol.DecodeRequest(text, s.env.Limits)
	})
	if t.err == nil {
		errors.As(malformed, &t.err)
	}
	if tooFast := s.place.Spend(len(text)); tooFast != nil { // it was decoded for its requestId
		t.err = tooFast
	}
	return s.enqueue(t)
}

// take reads a message. A long one has a time to arrive in: a peer that sends half of one
// and then nothing would hold its room for good.
func (s *Session) take(message io.Reader) (text []byte, room int, err error) {
	var late *time.Timer
	text, room, err = s.env.ReadText(s.ctx, message, func() {
		late = time.AfterFunc(s.env.MessageTime, s.conn.GiveUp)
	})
	if late != nil {
		late.Stop()
	}
	return text, room, err
}

// inflate reads what is in a compressed message, for which there is room, and takes the room of both.
func (s *Session) inflate(message []byte, room int) (text []byte, both int, err error) {
	inflater := socket.Inflate(message, int64(s.env.Limits.FrameBytes))
	defer func() { _ = inflater.Close() }()
	text, more, err := s.env.ReadText(s.ctx, inflater, func() {})
	if err == nil && !utf8.Valid(text) {
		err = socket.ErrNotUTF8
	}
	return text, room + more, err
}

// closeFor tells the peer what was wrong with its frame, where that ends the connection.
func (s *Session) closeFor(err error) {
	var refused *protocol.Error
	switch {
	case errors.As(err, &refused):
		s.env.Metrics.Failed(refused)
		_ = s.conn.Close(refused.Code.Info().Close, refused.Message)
	case errors.Is(err, os.ErrDeadlineExceeded):
		_ = s.conn.Close(socket.TooSlow, fmt.Sprintf("a message must arrive within %v", s.env.MessageTime))
	case errors.Is(err, socket.ErrTooBig): // dropped at once, a peer that is sending might lose the reason
		_ = s.conn.Close(socket.TooBig, "")
	case errors.Is(err, socket.ErrNotText):
		_ = s.conn.Close(socket.NoTextMessage, "send JSON as text messages")
	case errors.Is(err, socket.ErrNotDeflate):
		_ = s.conn.Close(socket.ProtocolError, socket.ErrNotDeflate.Error())
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
	case s.left || s.refused != nil: // no answer would arrive. Reading goes on for the peer's close.
		return true
	}
	s.queue = append(s.queue, t)
	s.queueBytes += t.bytes
	s.account(t.bytes)
	s.env.Metrics.Queued(1)
	if !s.working {
		s.working = true
		s.worker.Go(s.work)
	}
	return true
}
