package sse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/sender"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// kind is what goes out.
type kind int

const (
	prepared  kind = iota // what was made for all streams
	messages              // events and ids
	opening               // the first line, and the place in the log
	recent                // the last seconds
	replaying             // a reset: every document comes again
	piece                 // of the past, beside the live changes
	catchUp               // nothing yet: the log has dropped the stream's position
	leave                 // the end of a gateway that is stopping, or of a stream that cannot go on
)

// outgoing is what goes out next.
type outgoing struct {
	kind     kind
	bytes    []byte
	messages [][]byte
}

// closeTime is how long a peer may take to take the end of a stream whose rights have ended.
const closeTime = 3 * time.Second

var heartbeat = []byte(": heartbeat\n\n")

// errLeave ends a stream well: the client comes back with its cursor.
var errLeave = errors.New("the stream ends")

// Next collects the next messages: changes, and an id where everything up to a snapshot has been
// sent.
func (s *Stream) Next() (outgoing, bool) {
	o, ok := s.next()
	if !ok && s.past != nil {
		s.past.wakeWhenDue(s.sender.Wake)
	}
	return o, ok
}

func (s *Stream) next() (outgoing, bool) {
	switch {
	case s.leaving.Load() || s.refused.Load() != nil:
		return outgoing{kind: leave}, true
	case !s.opened:
		return outgoing{kind: opening}, true
	case s.recent:
		return outgoing{kind: recent}, true
	case s.reason != "":
		return outgoing{kind: replaying}, true
	case s.past != nil && s.past.isDue():
		return outgoing{kind: piece}, true
	}
	if s.beatDue.Swap(false) {
		s.owed = true
		return s.changes([][]byte{heartbeat})
	}
	if s.awaited == nil && !s.owed && s.sub.Idle() { // most streams are idle most of the time
		return outgoing{}, false
	}
	if p := s.takePrepared(); p != nil {
		return outgoing{kind: prepared, bytes: p.Bytes}, true
	}
	return s.changes(nil)
}

// changes collects what the stream's own subscription has, behind the messages of list.
func (s *Stream) changes(list [][]byte) (outgoing, bool) {
	for {
		if _, behind := s.sub.Behind(); behind {
			break
		}
		d := s.sub.Take(hub.FrameBytes)
		if d.Reset != "" {
			s.reason = d.Reset
			return outgoing{kind: replaying}, true
		}
		s.env.Metrics.Delivered(metrics.Stream, len(d.Changes))
		for _, c := range d.Changes {
			list, s.owed = append(list, s.text(c)), true
			if s.past != nil {
				delete(s.past.waiting, c.Ref)
			}
		}
		if id := s.id(&d); id != nil {
			list = append(list, id)
		}
		if _, behind := s.sub.Behind(); behind || len(list) > 0 {
			break
		}
		if s.awaited == nil || s.sub.WakeOnMove(&d) {
			return outgoing{}, false
		}
	}
	if len(list) > 0 {
		return outgoing{kind: messages, messages: list}, true
	}
	return outgoing{kind: catchUp}, true
}

// Write sends what Next returned.
func (s *Stream) Write(o outgoing, mode sender.Mode) (sender.Result, error) {
	switch {
	case mode == sender.NoWait:
		return s.try(&o)
	case s.begun:
		s.begun = false
		return s.level(), s.response.Flush()
	}
	switch o.kind {
	case prepared:
		return s.level(), s.sendPrepared(o.bytes)
	case messages:
		return sender.More, s.send(o.messages...)
	case leave:
		s.leave()
		return sender.Last, nil
	}
	err := s.advance(o.kind)
	if errors.Is(err, errLeave) {
		s.leave()
		return sender.Last, nil
	}
	return sender.More, err
}

// advance does what takes longer than a write. It fails with errLeave where the client should come
// back with its cursor.
func (s *Stream) advance(k kind) error {
	switch k {
	case opening:
		return s.open()
	case recent:
		return s.takeRecent()
	case replaying:
		return s.beginReplay()
	case piece:
		return s.sendPast()
	}
	return s.catchUp()
}

// try sends what takes no waiting.
func (s *Stream) try(o *outgoing) (sender.Result, error) {
	if o.kind != prepared || s.response == nil {
		return sender.Blocked, nil
	}
	progress, err := s.response.TrySend(o.bytes)
	if progress == socket.Whole || err != nil {
		return s.level(), err
	}
	s.begun = progress == socket.Begun
	return sender.Blocked, nil
}

// level is the result of a prepared write.
func (s *Stream) level() sender.Result {
	if s.sub.Level() {
		return sender.Level
	}
	return sender.More
}

// send writes and flushes messages. It keeps no buffer: most streams are idle most of the time.
func (s *Stream) send(list ...[]byte) error {
	for _, m := range list {
		if err := s.body.Write(m); err != nil {
			return err
		}
	}
	return s.body.Rest()
}

// sendPrepared writes and flushes what was made for all streams, compressed where the stream is.
func (s *Stream) sendPrepared(bytes []byte) error {
	if s.gzip == nil {
		return s.send(bytes)
	}
	if _, err := s.gzip.Sink.Write(bytes); err != nil {
		return err
	}
	return s.gzip.Flush()
}

// leave asks the client to connect again, at a time of its own, and ends the body well: EventSource
// then does.
func (s *Stream) leave() {
	if refused := s.refused.Load(); refused != nil && !refused.Code.Info().Retryable {
		_ = s.body.Write(protocol.AppendEventUnauthorized(nil, refused))
	}
	_ = s.body.Write(
		fmt.Appendf(nil, "retry: %d\n\n", door.RetryAfter()),
	) // a peer that has gone needs no answer
	_ = s.body.Close()
	close(s.over)
}

// Failed cuts the connection.
func (s *Stream) Failed(error) {
	s.body.Cut()
	close(s.over)
}

// catchUp reads from the database what the log has dropped. It fails with errLeave when that takes
// too long.
func (s *Stream) catchUp() error {
	ctx, cancel := context.WithTimeout(s.ctx, store.RequestTime)
	defer cancel()
	from, _ := s.sub.Behind()
	c, err := s.env.Store.RetryCatchUp(ctx, s.guard.Principal(), s.sub, from)
	if err != nil {
		return errLeave
	}
	s.sub.CaughtUp(c)
	return nil
}
