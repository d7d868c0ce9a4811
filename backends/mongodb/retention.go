package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
)

// The history is the server's oplog, which the server cuts. What is here makes cursors expire as on other databases: those
// older than the retention, and those from before a floor that was set by hand.

// head is where the database is now, and from where on cursors are good.
type head struct {
	cursor
	floor bson.Timestamp
}

// head reads it, once the database has reached notBefore.
func (b *Backend) head(ctx context.Context, notBefore backends.Cursor) (h head, err error) {
	var meta struct{ At bson.Timestamp }
	h.cursor, err = b.snapshot(ctx, "read the floor", notBefore, func(ctx context.Context) error {
		// A read of app_data, since a snapshot of a collection that is not there has no time.
		if err := b.docs.FindOne(ctx, bson.D{{Key: "_id", Value: bson.Null{}}}).Err(); err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return err
		}
		err := b.database.Collection(metaName).FindOne(ctx, bson.D{{Key: "_id", Value: "floor"}}).Decode(&meta)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		return err
	})
	h.floor = meta.At
	if old := (bson.Timestamp{T: uint32(time.Now().Add(-b.options.Retention).Unix())}); h.floor.Before(old) {
		h.floor = old
	}
	return h, err
}

// resumable fails with ErrCursor unless the history after a cursor is kept. That the server has it still is for a stream to
// find out: see [Backend.logged].
func (b *Backend) resumable(ctx context.Context, from backends.Cursor) (h head, err error) {
	at, ok := from.(cursor)
	if !ok {
		return h, backends.ErrCursor
	}
	// A new primary may be behind what the old one has told for a moment.
	for try := 0; try < 3; try++ {
		if h, err = b.heads.Read(ctx); err != nil {
			return h, translate(ctx, "read the floor", err)
		}
		if at.epoch != h.epoch || at.at.Before(h.floor) {
			return h, backends.ErrCursor
		}
		if h.Reached(at) {
			return h, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return h, backends.ErrCursor
}

// Trim forgets the changes from before a time, to the minute: one within the last minute means all. Cursors from before
// expire; the newest position stays good.
func (b *Backend) Trim(ctx context.Context, before time.Time) error {
	floor := bson.Timestamp{T: uint32(before.Unix())}
	if time.Since(before) < backends.HouseTick {
		h, err := b.head(ctx, nil)
		if err != nil {
			return err
		}
		floor = h.at
	}
	return b.do(ctx, "move the floor", func(ctx context.Context) error {
		_, err := b.database.Collection(metaName).UpdateOne(ctx, bson.D{{Key: "_id", Value: "floor"}},
			bson.D{{Key: "$max", Value: bson.D{{Key: "at", Value: floor}}}}, options.UpdateOne().SetUpsert(true))
		return err
	})
}

// clean sees to the images, which an administrator may have switched off, and to what somebody has dropped. The server forgets mutations and entries itself.
func (b *Backend) clean(ctx context.Context, _ time.Time) error {
	return b.do(ctx, "look at the collections", b.settleIn)
}
