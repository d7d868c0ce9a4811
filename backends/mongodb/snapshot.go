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

// errNoSnapshot means that there is no collection to read a snapshot of.
var errNoSnapshot = errors.New("the collection app_data is not there")

// snapshot runs f in a session that reads one snapshot, and returns its cursor. It fails with
// ErrCursor unless the snapshot has Reached notBefore (nil: any). It may run f again.
func (b *Backend) snapshot(
	ctx context.Context, doing string, notBefore backends.Cursor, f func(context.Context) error,
) (at cursor, err error) {
	err = b.do(ctx, doing, func(ctx context.Context) error {
		for try := 0; ; try++ {
			at, err = b.readAt(ctx, nil, f)
			if err == nil && notBefore != nil && !at.Reached(notBefore) {
				bound, ok := notBefore.(cursor)
				if !ok || bound.epoch != at.epoch {
					return backends.ErrCursor
				}
				// A new primary may not know yet how far the old one had come. Read at that very
				// time.
				at, err = b.readAt(ctx, &bound.at, f)
			}
			if try == 3 || !hasCode(err, codeSnapshotMissing, codeSnapshotTooOld) && !errors.Is(err, errNoSnapshot) {
				return err
			}
			if errors.Is(err, errNoSnapshot) {
				if err := b.ensureDocuments(ctx); err != nil {
					return err
				}
			}
			time.Sleep(time.Duration(try) * time.Millisecond)
		}
	})
	return at, err
}

// readAt runs f in the snapshot of a cluster time; nil means the newest one that a majority has.
func (b *Backend) readAt(
	ctx context.Context, time *bson.Timestamp, f func(context.Context) error,
) (cursor, error) {
	o := options.Session().SetSnapshot(true)
	if time != nil {
		o.SetSnapshotTime(*time)
	}
	at := cursor{epoch: b.currentEpoch()}
	session, err := b.client.StartSession(o)
	if err != nil {
		return at, err
	}
	defer endSession(ctx, session)
	if err := f(mongo.NewSessionContext(ctx, session)); err != nil {
		return at, err
	}
	if at.at = session.SnapshotTime(); at.at.IsZero() {
		return at, errNoSnapshot
	}
	return at, nil
}

// head is the position of the database in one snapshot. Cursors from before its floor have expired.
type head struct {
	cursor
	floor bson.Timestamp
}

// head reads the head of a snapshot that has Reached notBefore (nil: any).
func (b *Backend) head(ctx context.Context, notBefore backends.Cursor) (h head, err error) {
	var meta struct{ At bson.Timestamp }
	h.cursor, err = b.snapshot(ctx, "read the floor", notBefore, func(ctx context.Context) error {
		// A snapshot of a collection that does not exist has no time, so app_data must be read.
		err := b.docs.FindOne(ctx, bson.D{{Key: "_id", Value: bson.Null{}}}).Err()
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return err
		}
		err = b.database.Collection(metaName).FindOne(ctx, bson.D{{Key: "_id", Value: "floor"}}).Decode(&meta)
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		return err
	})
	h.floor = meta.At
	old := bson.Timestamp{T: uint32(time.Now().Add(-b.options.Retention).Unix())}
	if h.floor.Before(old) {
		h.floor = old
	}
	return h, err
}
