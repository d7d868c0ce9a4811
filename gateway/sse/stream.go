package sse

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/sender"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// Stream is one SSE response.
type Stream struct {
	env       *door.Env
	replays   *replays
	handovers *handovers
	guard     *access.Guard
	place     *door.Place
	scope     protocol.Scope
	rev       bool // documents carry _rev
	body      *door.Body
	gzip      *gzip            // compresses what body writes; nil: nothing does
	response  *socket.Response // what body writes to; nil where net/http does
	sender    *sender.Sender[outgoing]
	sub       *hub.Subscription // nil before it has opened

	ctx    context.Context
	cancel context.CancelFunc
	// over is closed after the last write.
	over chan struct{}

	// The state of what is sent. The sender's turn owns it.
	cursor string          // what the client asked to resume from
	opened bool            // the first line is out
	recent bool            // it opened without a cursor: the last seconds come first
	reason string          // of a reset that is due
	begun  bool            // a write has sent a part
	owed   bool            // an id is: something was sent since the last one, or a heartbeat is due
	untold backends.Cursor // where a stream without a cursor began; nil once an id has gone out
	last   backends.Cursor // the newest that the client has: what it knows goes back to there
	// awaited is the snapshot of the newest page of a replay: no id stands before the stream has
	// reached it.
	awaited backends.Cursor
	past    *past // what comes beside the live changes; nil once it is told

	leaving atomic.Bool                    // the gateway stops
	refused atomic.Pointer[protocol.Error] // the rights have ended: no change goes out any more
	beatDue atomic.Bool

	mu    sync.Mutex
	timer *time.Timer
	ended bool
}

// serve sends until the client goes, takes nothing for too long, or the gateway stops. gone returns
// when the client has gone or over is closed.
func (s *Stream) serve(gone func()) {
	s.mu.Lock()
	s.timer = time.AfterFunc(s.env.StreamHeartbeat, s.beat)
	s.mu.Unlock()
	s.guard.Start(s.lapse)
	s.sender.Start()
	gone()
	s.cancel()
	s.guard.Stop()
	s.mu.Lock()
	s.ended = true
	s.timer.Stop()
	s.mu.Unlock()
	s.sender.Close()
	s.dropPast()
	if s.untold != nil {
		s.handovers.end(s.scope, s.untold)
	}
	if s.sub != nil {
		s.sub.Close()
	}
}

func (s *Stream) beat() {
	s.beatDue.Store(true)
	s.mu.Lock()
	if !s.ended {
		s.timer.Reset(s.env.StreamHeartbeat)
	}
	s.mu.Unlock()
	s.sender.Wake()
}

// GoAway has the stream end as soon as it can.
func (s *Stream) GoAway() {
	s.leaving.Store(true)
	s.sender.Wake()
}

// lapse ends the stream because its principal may not follow the scope any more. A peer that does not
// take the last event is cut.
func (s *Stream) lapse(refused *protocol.Error) {
	s.env.Metrics.Failed(refused)
	s.refused.Store(refused)
	s.sender.Wake()
	stop := time.AfterFunc(closeTime, s.Cut)
	context.AfterFunc(s.ctx, func() { stop.Stop() })
}

// Cut ends the stream at once.
func (s *Stream) Cut() {
	s.cancel()
	s.body.Cut()
}

// text is a change as this client can use it. During a replay each change is sent as insert and as
// update: clients ignore an update of a document that they do not have, and the pages may lack one
// that moved meanwhile.
func (s *Stream) text(c *hub.Change) []byte {
	if s.awaited == nil && s.past == nil {
		return c.Event(s.rev)
	}
	return protocol.AppendState(nil, c.Ref.Collection, c.Ref.ID, c.Doc, s.rev)
}

// id is the id that is owed, if one may stand here.
func (s *Stream) id(d *hub.Delivery) []byte {
	if !d.Boundary || s.past != nil || s.awaited != nil && !d.Cursor.Reached(s.awaited) {
		return nil
	}
	if s.awaited != nil {
		s.awaited, s.owed = nil, true
	}
	if !s.owed {
		return nil
	}
	s.owed, s.untold, s.last = false, nil, d.Cursor
	return protocol.AppendEventID(nil, protocol.EncodeCursor(s.scope, d.Cursor.Append(nil)))
}

// takePrepared takes what all level streams get.
func (s *Stream) takePrepared() *hub.Prepared {
	if s.awaited != nil || s.past != nil || s.reason != "" {
		return nil
	}
	form := hub.EventsWith(s.rev)
	if s.gzip != nil {
		form += hub.Compressed
	}
	p := s.sub.TakePrepared(form)
	if p != nil {
		if s.gzip != nil {
			s.gzip.note(p.Text)
		}
		s.env.Metrics.Delivered(metrics.Stream, p.Changes)
		s.owed, s.untold, s.last = false, nil, p.Cursor
	}
	return p
}
