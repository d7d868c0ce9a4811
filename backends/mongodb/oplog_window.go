package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// windowTime is how long an answer about the oplog is used.
const windowTime = time.Second

// oplogWindow is the last answers about how far back the oplog goes. The zero value knows nothing.
type oplogWindow struct {
	has, lacks           bson.Timestamp // a time that the oplog went back to, and one that it did not
	hasUntil, lacksUntil time.Time      // when these answers expire
}

// covers answers for a time: nil if the oplog goes back to it, ErrCursor if not. known is false if
// neither answer tells.
func (w *oplogWindow) covers(at bson.Timestamp) (known bool, err error) {
	now := time.Now()
	switch {
	case now.Before(w.hasUntil) && !at.Before(w.has):
		return true, nil
	case now.Before(w.lacksUntil) && !at.After(w.lacks):
		return true, backends.ErrCursor
	}
	return false, nil
}

// inOplog fails with ErrCursor unless the oplog goes back to a cursor. If many clients ask at once,
// one call asks the server, and the others use its answer.
func (b *Backend) inOplog(ctx context.Context, from cursor) error {
	if known, err := b.inWindow(from); known {
		return err
	}
	return b.do(ctx, "read the oplog", func(ctx context.Context) error {
		select {
		case b.windowLock <- struct{}{}:
			defer func() { <-b.windowLock }()
		case <-ctx.Done():
			return ctx.Err()
		}
		if known, err := b.inWindow(from); known {
			return err
		}
		err := b.replayable(ctx, from)
		if err == nil || errors.Is(err, backends.ErrCursor) {
			b.noteWindow(from, err == nil)
		}
		return err
	})
}

func (b *Backend) inWindow(from cursor) (known bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.window.covers(from.at)
}

func (b *Backend) noteWindow(from cursor, has bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := time.Now().Add(windowTime)
	if has {
		b.window.has, b.window.hasUntil = from.at, until
	} else {
		b.window.lacks, b.window.lacksUntil = from.at, until
	}
}

// replayable asks the server whether the oplog goes back to a cursor. The server tells with its
// first reply.
func (b *Backend) replayable(ctx context.Context, from cursor) error {
	s, err := b.follow(ctx, from, replayWait)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	for range 2 { // the first call of ask does not ask the server
		if s.ask(ctx) {
			return nil
		}
		if err := s.cursor.Err(); hasCode(err, codeHistoryLost, codeCappedPositionLost) {
			return backends.ErrCursor
		} else if err != nil {
			return err
		}
	}
	return nil
}
