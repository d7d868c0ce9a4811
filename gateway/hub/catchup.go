package hub

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// CatchUp is what the database had for a subscription that is Behind: the changes from its position
// up to Cursor, or the reason why there are none.
type CatchUp struct {
	Changes []*Change
	Cursor  backends.Cursor
	Reset   string

	// The log's end before the database was read, and the hub's cursor and losses there.
	next   int64
	base   backends.Cursor
	losses int64
}

// Turn waits until no other catch-up of the scope is under way: whole fleets come back at once. The
// caller calls release. It fails with ctx's error. Any goroutine may call it.
func (s *Subscription) Turn(ctx context.Context) (release func(), err error) {
	select {
	case s.log.catchingUp <- struct{}{}:
		return func() { <-s.log.catchingUp }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// BeginCatchUp notes where the log ends. It comes before the database is read: what is committed
// later is in the log. Any goroutine may call it.
func (s *Subscription) BeginCatchUp() CatchUp {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return CatchUp{next: s.log.end(), base: s.hub.cursor, losses: s.hub.losses}
}

// Found fills in what the database had.
func (c *CatchUp) Found(b backends.Batch) { c.Changes, c.Cursor = changesOf(b.Changes), b.Cursor }

// Behind reports whether the subscription has to catch up from the database, and from where.
func (s *Subscription) Behind() (from backends.Cursor, behind bool) { return s.done, s.behind }

// CaughtUp takes what the database had. What of it the log holds as well is not handed out twice.
func (s *Subscription) CaughtUp(c CatchUp) {
	s.behind, s.next, s.losses = false, c.next, c.losses
	if c.Reset != "" {
		s.startOver(c.Reset, c.base, c.Reset != protocol.ResetTooMuch)
		return
	}
	s.pending, s.pendingEnd, s.nextFloor = c.Changes, c.Cursor, c.Cursor
	s.Answered(c.Cursor)
	s.finishBatch()
}

// TakeReset takes the reset that CaughtUp may have left, for a caller that sends it itself.
func (s *Subscription) TakeReset() string {
	reset := s.reset
	s.reset = ""
	return reset
}
