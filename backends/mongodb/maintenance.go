package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// The history is the oplog, and the server removes the old part of it. This file makes cursors
// expire as on other databases: those older than the retention, and those from before a floor that
// Trim has set. The server also removes old mutations and entries of the ledger.

// clean makes again what other programs have dropped, and switches images on again.
func (b *Backend) clean(ctx context.Context, _ time.Time) error {
	return errors.Join(
		b.do(ctx, "examine the collections", b.ensureCollections),
		b.do(ctx, "remove old notes of authors", func(ctx context.Context) error {
			return b.dropAuthors(ctx, time.Now())
		}),
	)
}

// Trim removes the changes from before a time, to the minute; a time within the last minute means
// all changes. Cursors from before that time expire. The newest position stays valid.
func (b *Backend) Trim(ctx context.Context, before time.Time) error {
	floor := bson.Timestamp{T: uint32(before.Unix())}
	if time.Since(before) < driverkit.MaintenanceInterval {
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
