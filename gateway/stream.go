package gateway

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Stream is one SSE response: a position in its scope's log. One goroutine at a time tells what comes: the request's own,
// which waits for more in between; or of a direct stream the shard, and others where it would have to wait.
type Stream struct {
	gateway *Gateway
	scope   protocol.Scope
	rev     bool // documents carry _rev
	out     *out
	ctx     context.Context
	cancel  context.CancelFunc
	sub     *Subscription
	leaving atomic.Bool // the gateway stops

	recent bool   // it opened without a cursor: the last seconds come first
	reason string // of the reset that it opens with
	// last is the newest cursor that the client has: what it knows goes back to there.
	last backends.Cursor
	// awaited is the snapshot of the newest page of a replay: no id stands before the stream has reached it.
	awaited backends.Cursor
	owed    bool // an id is: something was told since the last one, or a heartbeat is due
	beat    atomic.Bool

	woken chan struct{} // holds one: there may be something to take; nil of a direct stream
	directness
}

// streamStep is what a stream does next.
type streamStep int

const (
	streamWait streamStep = iota
	streamSend
	streamCatchUp
	streamReplay
)

// run tells changes until the client goes, takes nothing for too long, or the gateway stops.
func (s *Stream) run(text string) {
	beat := time.NewTicker(s.gateway.config.StreamHeartbeat)
	defer beat.Stop()
	defer func() {
		if s.sub != nil {
			s.sub.Close()
		}
	}()
	for ok := s.begin(text); ok && s.pass(); {
		ok = s.wait(beat.C)
	}
	if s.ctx.Err() == nil {
		s.leave()
	}
}

// begin tells what comes before the live changes.
func (s *Stream) begin(text string) bool {
	switch {
	case !s.open(text):
		return false
	case s.recent:
		return s.tellRecent(s.ctx)
	case s.reason != "":
		return s.replay(s.ctx)
	}
	return true
}

// pass tells all that there is; false when the stream is over.
func (s *Stream) pass() bool {
	for ok := true; ok; {
		messages, next := s.gather()
		switch next {
		case streamSend:
			ok = s.tell(messages...) && s.out.flush() == nil && !s.isLeaving()
		case streamCatchUp:
			ok = s.catchUp(s.ctx)
		case streamReplay:
			ok = s.replay(s.ctx)
		default:
			return s.out.rest() == nil && !s.isLeaving() // most streams are idle most of the time
		}
	}
	return false
}

// gather collects the next messages: changes, and an id where everything up to a snapshot has been told.
func (s *Stream) gather() (messages [][]byte, next streamStep) {
	if s.beat.Swap(false) {
		messages, s.owed = append(messages, heartbeat), true
	}
	if j := s.takeJoint(); j != nil {
		return append(messages, j.bytes), streamSend
	}
	if _, behind := s.sub.Position(); behind {
		if len(messages) > 0 {
			return messages, streamSend
		}
		return nil, streamCatchUp
	}
	for {
		d := s.sub.Take(frameBytes)
		if d.Reset != "" {
			s.reason = d.Reset
			return nil, streamReplay
		}
		s.gateway.config.Metrics.delivered(doorStream, len(d.Changes))
		for _, c := range d.Changes {
			messages, s.owed = append(messages, s.text(c)), true
		}
		if id := s.id(&d); id != nil {
			messages = append(messages, id)
		}
		_, behind := s.sub.Position()
		switch {
		case len(messages) > 0:
			return messages, streamSend
		case behind:
			return nil, streamCatchUp
		case s.awaited == nil || s.sub.WakeOnMove(&d):
			return nil, streamWait
		}
	}
}

// takeJoint is what all streams are told that are level.
func (s *Stream) takeJoint() *joint {
	if s.awaited != nil || s.reason != "" {
		return nil
	}
	f := asEvents
	if s.rev {
		f = asEventsRev
	}
	j := s.sub.takeJoint(f)
	if j != nil {
		s.gateway.config.Metrics.delivered(doorStream, j.changes)
		s.owed, s.last = false, j.cursor
	}
	return j
}

// text is a change as this client can hear it. Until a replay is over, a document that was missing from the pages
// because it moved meanwhile may come as an update, which who lacks it is deaf to.
func (s *Stream) text(c *delivered) []byte {
	if s.awaited == nil {
		return c.Event(s.rev)
	}
	return appendState(nil, c.Ref.Collection, c.Ref.ID, c.Doc, s.rev)
}

var heartbeat = []byte(": heartbeat\n\n")

// id is the id that is owed, if one may stand here.
func (s *Stream) id(d *Delivery) []byte {
	if !d.Boundary || s.awaited != nil && !d.Cursor.Reached(s.awaited) {
		return nil
	}
	if s.awaited != nil {
		s.awaited, s.owed = nil, true
	}
	if !s.owed {
		return nil
	}
	s.owed, s.last = false, d.Cursor
	return protocol.AppendEventID(nil, protocol.EncodeCursor(s.scope, d.Cursor.Append(nil)))
}

// tell writes messages; false when the peer is gone.
func (s *Stream) tell(messages ...[]byte) bool {
	for _, m := range messages {
		if s.out.write(m) != nil {
			return false
		}
	}
	return true
}

// wait ends when there may be something to tell; false when the stream is over.
func (s *Stream) wait(beat <-chan time.Time) bool {
	select {
	case <-s.woken:
	case <-beat:
		s.beat.Store(true)
	case <-s.ctx.Done():
		return false
	}
	return true
}

func (s *Stream) isLeaving() bool { return s.leaving.Load() }

// goAway has the stream end as soon as it can; any goroutine may call it.
func (s *Stream) goAway() {
	s.leaving.Store(true)
	s.wake()
}

// leave asks the client to connect again, at a time of its own, and ends the body well: EventSource then does.
func (s *Stream) leave() {
	s.tell(fmt.Appendf(nil, "retry: %d\n\n", s.gateway.retryAfter()))
	_ = s.out.close() // whoever is gone has gone
}

// cut ends the stream at once; any goroutine may call it before the request is over.
func (s *Stream) cut() {
	s.cancel()
	s.out.sink.Cut()
}

// wake tells the stream that there may be something to take.
func (s *Stream) wake() {
	if s.woken == nil {
		s.wakeDirect()
		return
	}
	select {
	case s.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// catchUp reads from the database what the log has dropped. It is false when that takes too long: the client will
// come back with its cursor.
func (s *Stream) catchUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	from, _ := s.sub.Position()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		c, err := s.sub.CatchUp(ctx, from)
		if err == nil {
			s.sub.CaughtUp(c)
			return true
		}
		if s.isLeaving() || !pause(ctx, wait) {
			return false
		}
	}
}

// tellRecent tells the latest state of each document that changed in the last seconds. The client may just have taken
// over from another one, which had heard all but those.
func (s *Stream) tellRecent(ctx context.Context) bool {
	var changes []*delivered
	for boundary := false; !boundary; {
		if _, behind := s.sub.Position(); behind && !s.catchUp(ctx) {
			return false
		}
		d := s.sub.Take(frameBytes)
		if d.Reset != "" {
			s.reason = d.Reset
			return s.replay(ctx)
		}
		changes = append(changes, d.Changes...)
		boundary = d.Boundary && (len(d.Changes) == 0 || len(changes) > maxRecent)
	}
	var buffer []byte
	last := latest(changes)
	s.gateway.config.Metrics.delivered(doorStream, len(last))
	for _, c := range last {
		buffer = appendState(buffer[:0], c.Ref.Collection, c.Ref.ID, c.Doc, s.rev)
		if !s.tell(buffer) || s.isLeaving() {
			return false
		}
	}
	s.owed = true
	return true
}

// maxRecent is how many changes are reduced to their documents' latest states; more come as they are.
const maxRecent = 10_000
