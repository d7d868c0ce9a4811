package store

import (
	"context"
	"errors"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/protocol"
)

// maxCatchUp bounds the documents of one catch-up, in bytes. Beyond it listing again is cheaper, and
// each of many clients that come back at once may hold one.
const maxCatchUp = 1 << 20

// Follow describes what a connection wants to follow.
type Follow struct {
	// From is a snapshot; nil: now.
	From backends.Cursor
	// All follows the whole scope; otherwise Subscription.Listen says what.
	All bool
	// Shard serves the follower; nil: the hub wakes it.
	Shard *hub.Shard
}

// Follow follows a scope. The caller closes the subscription.
func (s *Store) Follow(
	ctx context.Context, p access.Principal, scope protocol.Scope, follower hub.Follower, f Follow,
) (*hub.Subscription, *protocol.Error) {
	if refused := s.allow(ctx, p, scope, access.Read); refused != nil {
		return nil, refused
	}
	return s.hub.Follow(scope, f.From, f.All, follower, f.Shard), nil
}

// Cursor reads a client's cursor of a scope. It fails with backends.ErrCursor when the cursor
// cannot be resumed, and with any other error for a passing reason.
func (s *Store) Cursor(
	ctx context.Context, p access.Principal, scope protocol.Scope, text string,
) (backends.Cursor, error) {
	if refused := s.allow(ctx, p, scope, access.Read); refused != nil {
		return nil, refused
	}
	raw, err := protocol.DecodeCursor(scope, text)
	if err != nil {
		return nil, backends.ErrCursor
	}
	return s.backend.Cursor(ctx, raw)
}

// Now is the cursor of the newest batch of the feed.
func (s *Store) Now() backends.Cursor { return s.hub.Cursor() }

// Recent is the cursor of ten seconds ago. known is false if everything was lost since.
func (s *Store) Recent() (c backends.Cursor, known bool) { return s.hub.RecentCursor() }

// CatchUp reads from the database what the log of a subscription does not reach back to. It changes
// nothing of the subscription, so it may run beside whoever owns it: the caller passes the
// position, and what comes back to CaughtUp. At most one runs per scope, and four in all. Its error
// is a passing one, or says that the principal may not follow any more.
func (s *Store) CatchUp(
	ctx context.Context, p access.Principal, sub *hub.Subscription, from backends.Cursor,
) (hub.CatchUp, error) {
	if refused := s.allow(ctx, p, sub.Scope(), access.Read); refused != nil {
		return hub.CatchUp{}, refused
	}
	release, err := s.turn(ctx, sub)
	if err != nil {
		return hub.CatchUp{}, err
	}
	defer release()
	c := sub.BeginCatchUp()
	batch, err := s.backend.Since(ctx, sub.Scope(), from, maxCatchUp)
	switch {
	case errors.Is(err, backends.ErrCursor):
		c.Reset = protocol.ResetExpired
	case errors.Is(err, backends.ErrTooBig):
		c.Reset = protocol.ResetTooMuch
	case err != nil:
		return hub.CatchUp{}, err
	case batch.LostAll || len(batch.Lost) > 0:
		c.Reset = protocol.ResetLost
	default:
		c.Found(batch)
		s.hub.RaiseHighWater(c.Cursor)
	}
	return c, nil
}

// RetryCatchUp is CatchUp that waits out passing faults, until ctx ends.
func (s *Store) RetryCatchUp(
	ctx context.Context, p access.Principal, sub *hub.Subscription, from backends.Cursor,
) (c hub.CatchUp, err error) {
	err = retry.Do(ctx, isPassing, func(ctx context.Context) (err error) {
		c, err = s.CatchUp(ctx, p, sub, from)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("catching up failed; it is tried again", "scope", sub.Scope().String(), "error", err)
		}
		return err
	})
	return c, err
}

// isPassing: whether a principal may follow is not asked again once it may not.
func isPassing(err error) bool {
	var refused *protocol.Error
	return !errors.As(err, &refused) || refused.Code.Info().Retryable
}

// turn waits for the scope's turn, then for one of the slots.
func (s *Store) turn(ctx context.Context, sub *hub.Subscription) (release func(), err error) {
	leave, err := sub.Turn(ctx)
	if err != nil {
		return nil, err
	}
	free, err := s.slot(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { free(); leave() }, nil
}

func (s *Store) slot(ctx context.Context) (free func(), err error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
