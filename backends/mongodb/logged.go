package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// loggedTime is for how long it is believed that the server's log goes back to a time.
const loggedTime = time.Second

// logged is a time that the server's log went back to when that was last asked.
type logged struct {
	at    bson.Timestamp
	until time.Time
}

// logged fails with ErrCursor unless the server's log goes back to a cursor. A whole fleet of clients may ask at once.
func (b *Backend) logged(ctx context.Context, from cursor) error {
	b.mu.Lock()
	known := b.log
	b.mu.Unlock()
	if !from.at.Before(known.at) && time.Now().Before(known.until) {
		return nil
	}
	return b.do(ctx, "look into the oplog", func(ctx context.Context) error {
		if err := b.replayable(ctx, from); err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.log = logged{from.at, time.Now().Add(loggedTime)}
		return nil
	})
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
