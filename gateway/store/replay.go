package store

import (
	"cmp"
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/protocol"
)

// ReplayPage is List for a replay: it waits out passing faults for the time of a request, and reads
// at most a few pages at once over all scopes, catch-ups included. What it returns is about to be
// sent to followers, so it raises the high water.
func (s *Store) ReplayPage(
	ctx context.Context, p access.Principal, scope protocol.Scope, r *protocol.Request, bounds Read,
) (a protocol.Answer, at backends.Cursor, refused *protocol.Error) {
	refused = s.retryRead(ctx, func(ctx context.Context) *protocol.Error {
		a, at = s.List(ctx, p, scope, r, bounds)
		return a.Err
	})
	if refused == nil {
		s.hub.RaiseHighWater(at)
	}
	return a, at, refused
}

// ReplayCollections is Collections for a replay, likewise.
func (s *Store) ReplayCollections(
	ctx context.Context, p access.Principal, scope protocol.Scope, bounds Read,
) (counts map[string]int, refused *protocol.Error) {
	refused = s.retryRead(ctx, func(ctx context.Context) (refused *protocol.Error) {
		counts, refused = s.Collections(ctx, p, scope, bounds)
		return refused
	})
	return counts, refused
}

// retryRead holds a slot while it reads. It does not wait out that the database was replaced: the
// replay's start is of the one before, and will not be reached.
func (s *Store) retryRead(
	ctx context.Context, read func(ctx context.Context) *protocol.Error,
) *protocol.Error {
	ctx, cancel := context.WithTimeout(ctx, RequestTime)
	defer cancel()
	free, err := s.slot(ctx)
	if err != nil {
		return ClientError(err)
	}
	defer free()
	var replaced *protocol.Error
	refused := retry.Unavailable(ctx, RequestTime, func(ctx context.Context) *protocol.Error {
		refused := read(ctx)
		if refused == errReplaced {
			replaced = refused
			return nil
		}
		return refused
	})
	return cmp.Or(replaced, refused)
}
