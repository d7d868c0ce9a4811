package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// loggedTime is for how long it is believed what the server's log goes back to.
const loggedTime = time.Second

// logged is what has been asked of late: a time that the server's log went back to, and one that it did not.
type logged struct {
	at, not  bson.Timestamp
	until    time.Time
	notUntil time.Time
}

// tells what is known of a time: nil where the log goes back to it, else ErrCursor.
func (l *logged) tells(at bson.Timestamp) (known bool, err error) {
	now := time.Now()
	switch {
	case now.Before(l.until) && !at.Before(l.at):
		return true, nil
	case now.Before(l.notUntil) && !at.After(l.not):
		return true, backends.ErrCursor
	}
	return false, nil
}

// logged fails with ErrCursor unless the server's log goes back to a cursor. A whole fleet of clients may ask at once: one
// asks the server, and the others hear what it was told.
func (b *Backend) logged(ctx context.Context, from cursor) error {
	if known, err := b.knownLog(from); known {
		return err
	}
	return b.do(ctx, "look into the oplog", func(ctx context.Context) error {
		select {
		case b.looking <- struct{}{}:
			defer func() { <-b.looking }()
		case <-ctx.Done():
			return ctx.Err()
		}
		if known, err := b.knownLog(from); known {
			return err
		}
		err := b.replayable(ctx, from)
		if err == nil || errors.Is(err, backends.ErrCursor) {
			b.noteLog(from, err == nil)
		}
		return err
	})
}

func (b *Backend) knownLog(from cursor) (known bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.tells(from.at)
}

func (b *Backend) noteLog(from cursor, goes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := time.Now().Add(loggedTime)
	if goes {
		b.log.at, b.log.until = from.at, until
	} else {
		b.log.not, b.log.notUntil = from.at, until
	}
}

// replayable asks the server, which says so with the first reply only.
func (b *Backend) replayable(ctx context.Context, from cursor) error {
	s, err := b.follow(ctx, from, replayWait)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	for range 2 { // the first time nothing is asked
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
