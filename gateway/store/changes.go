package store

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// Changes is what changed in a scope between two cursors.
type Changes struct {
	// Cursor is for the next call.
	Cursor string
	// Reset says why the changes cannot be told, if they cannot: what the caller has read is void.
	Reset string
	// Changes are those of collections that the principal may read, one for each document.
	Changes []backends.Change
}

// ChangesSince returns what changed after a cursor, up to now. Without a cursor it returns the one of now. If
// nothing has changed it waits for something to, for as long as wait says.
func (s *Store) ChangesSince(
	ctx context.Context, p access.Principal, scope protocol.Scope, cursor, collection string, wait time.Duration,
) (c Changes, refused *protocol.Error) {
	wake := &waiter{woken: make(chan struct{}, 1)}
	sub := s.hub.Follow(scope, nil, true, wake, nil) // before reading: nothing is missed in between
	defer sub.Close()
	ctx, cancel := context.WithTimeout(ctx, wait+RequestTime)
	defer cancel()
	until := time.NewTimer(wait)
	defer until.Stop()
	for last := wait == 0; ; {
		c, refused = s.changesSince(ctx, p, scope, cursor, collection)
		if refused != nil || len(c.Changes) > 0 || c.Reset != "" || cursor == "" || last {
			return c, refused
		}
		cursor = c.Cursor
		select {
		case <-wake.woken:
		case <-until.C:
			last = true
		case <-ctx.Done():
			return c, s.Failure(&protocol.Request{}, ctx.Err())
		}
	}
}

// waiter is a follower that is only told that there is something.
type waiter struct{ woken chan struct{} }

// Wake implements [hub.Follower].
func (w *waiter) Wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// ServeNow implements [hub.Follower]: a waiter has no shard.
func (w *waiter) ServeNow() {}

func (s *Store) changesSince(
	ctx context.Context, p access.Principal, scope protocol.Scope, cursor, collection string,
) (c Changes, refused *protocol.Error) {
	allows, refused := s.reads(ctx, p, scope, collection)
	if refused != nil {
		return c, refused
	}
	if cursor == "" {
		c.Cursor = protocol.EncodeCursor(scope, s.hub.Cursor().Append(nil))
		return c, nil
	}
	free, err := s.slot(ctx)
	if err != nil {
		return c, s.Failure(&protocol.Request{}, err)
	}
	defer free()
	var batch backends.Batch
	from, err := s.Cursor(ctx, p, scope, cursor)
	if err == nil {
		batch, err = s.backend.Since(ctx, scope, from, maxCatchUp)
	}
	switch {
	case errors.Is(err, backends.ErrCursor):
		c.Reset = protocol.ResetExpired
	case errors.Is(err, backends.ErrTooBig):
		c.Reset = protocol.ResetTooMuch
	case err != nil:
		s.faults.note("read", err)
		return c, s.Failure(&protocol.Request{}, err)
	case batch.LostAll || len(batch.Lost) > 0:
		c.Reset = protocol.ResetLost
	}
	if c.Reset != "" {
		c.Cursor = protocol.EncodeCursor(scope, s.hub.Cursor().Append(nil))
		return c, nil
	}
	c.Cursor = protocol.EncodeCursor(scope, batch.Cursor.Append(nil))
	for _, change := range batch.Changes {
		if allows(change.Ref.Collection) {
			c.Changes = append(c.Changes, change)
		}
	}
	return c, nil
}

// reads reports of collections whether a principal reads them, of one alone if that is named.
func (s *Store) reads(
	ctx context.Context, p access.Principal, scope protocol.Scope, collection string,
) (func(string) bool, *protocol.Error) {
	var named []access.Use
	if collection != "" {
		named = []access.Use{reading(collection)}
	}
	if refused := s.allow(ctx, p, scope, access.Read, named...); refused != nil {
		return nil, refused
	}
	if collection != "" {
		return func(c string) bool { return c == collection }, nil
	}
	if p.Agent == nil {
		return func(string) bool { return true }, nil
	}
	grant, refused := p.Agent.Grant(ctx, scope)
	return func(c string) bool { return grant.Allows(reading(c)) == nil }, refused
}
