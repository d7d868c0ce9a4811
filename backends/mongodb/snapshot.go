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

// errNoSnapshot: there is no collection to read a snapshot of.
var errNoSnapshot = errors.New("the collection app_data is not there")

// snapshot has f read one snapshot of the database that has Reached notBefore (nil: any), and tells its cursor.
func (b *Backend) snapshot(ctx context.Context, doing string, notBefore backends.Cursor, f func(context.Context) error) (at cursor, err error) {
	err = b.do(ctx, doing, func(ctx context.Context) error {
		for try := 0; ; try++ {
			if at, err = b.readAt(ctx, nil, f); err == nil && notBefore != nil && !at.Reached(notBefore) {
				bound, ok := notBefore.(cursor)
				if !ok || bound.epoch != at.epoch {
					return backends.ErrCursor
				}
				// A new primary may not know yet how far the old one had come: read just there.
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

// readAt has f read the snapshot of a cluster time, or the newest that is committed for good.
func (b *Backend) readAt(ctx context.Context, time *bson.Timestamp, f func(context.Context) error) (cursor, error) {
	o := options.Session().SetSnapshot(true)
	if time != nil {
		o.SetSnapshotTime(*time)
	}
	at := cursor{epoch: b.epoch()}
	session, err := b.client.StartSession(o)
	if err != nil {
		return at, err
	}
	defer leaveSession(ctx, session)
	if err := f(mongo.NewSessionContext(ctx, session)); err != nil {
		return at, err
	}
	if at.at = session.SnapshotTime(); at.at.IsZero() {
		return at, errNoSnapshot
	}
	return at, nil
}
