package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// maxCatchUp bounds the documents of one catch-up, in bytes: beyond it, listing again is cheaper, and each of
// many clients that come back at once may hold one.
const maxCatchUp = 1 << 20

// caught is what a catch-up found: the changes from a cursor up to another one, or the reason why there are none.
type caught struct {
	changes []*delivered
	cursor  backends.Cursor
	next    int64 // the log's end before the database was read
	reset   string
}

// CatchUp reads from the database what the log does not reach back to. It touches nothing of the subscription but
// constants: the caller passes Position, and what comes back to CaughtUp.
//
// At most one runs per scope and four altogether, since whole fleets come back at once. An error is a passing one.
func (s *Subscription) CatchUp(ctx context.Context, from backends.Cursor) (caught, error) {
	release, err := s.hub.admit(ctx, s.log)
	if err != nil {
		return caught{}, err
	}
	defer release()
	c := caught{next: s.logEnd()}
	batch, err := s.hub.backend.Since(ctx, s.log.scope, from, maxCatchUp)
	switch {
	case errors.Is(err, backends.ErrCursor):
		c.reset = ResetExpired
	case errors.Is(err, backends.ErrTooBig):
		c.reset = ResetTooMuch
	case err != nil:
		return caught{}, err
	case batch.LostAll || len(batch.Lost) > 0:
		c.reset = ResetLost
	default:
		c.changes, c.cursor = delivery(batch.Changes), batch.Cursor
		s.hub.tell(c.cursor)
	}
	return c, nil
}

// catchUpPatiently is CatchUp that waits out passing faults, until ctx ends.
func (s *Subscription) catchUpPatiently(ctx context.Context, from backends.Cursor) (caught, error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		c, err := s.CatchUp(ctx, from)
		if err == nil {
			return c, nil
		}
		s.hub.log.Warn("catching up failed; it is tried again", "scope", s.log.scope.String(), "error", err)
		if !pause(ctx, wait) {
			return caught{}, err
		}
	}
}

// admit waits for the scope's turn, then for one of the slots.
func (h *Hub) admit(ctx context.Context, log *scopeLog) (release func(), err error) {
	select {
	case log.catching <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		<-log.catching
		return nil, ctx.Err()
	}
	return func() { <-h.slots; <-log.catching }, nil
}

func delivery(changes []backends.Change) []*delivered {
	out := make([]*delivered, len(changes))
	for i := range changes {
		out[i] = &delivered{Change: changes[i]}
	}
	return out
}

func (s *Subscription) logEnd() int64 {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.log.end()
}

// Position is where the subscription has to catch up from; ok is false when it is not behind.
func (s *Subscription) Position() (from backends.Cursor, ok bool) { return s.done, s.behind }

// CaughtUp takes what CatchUp found. What of it the log holds as well is not sent twice.
func (s *Subscription) CaughtUp(c caught) {
	s.behind, s.next = false, c.next
	if c.reset != "" {
		s.reset = c.reset
		return
	}
	s.pending, s.pendingEnd, s.nextFloor = c.changes, c.cursor, c.cursor
	s.Answered(c.cursor)
	s.finish()
}

// DecodeCursor reads a client's cursor of a scope. It fails with backends.ErrCursor, or a passing error.
func (h *Hub) DecodeCursor(ctx context.Context, s protocol.Scope, text string) (backends.Cursor, error) {
	raw, err := protocol.DecodeCursor(s, text)
	if err != nil {
		return nil, backends.ErrCursor
	}
	return h.backend.Cursor(ctx, raw)
}

// takeReset takes the reset that CaughtUp may have left, for a caller that tells it itself.
func (s *Subscription) takeReset() string {
	reset := s.reset
	s.reset = ""
	return reset
}
