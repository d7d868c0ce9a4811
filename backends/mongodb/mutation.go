package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// storedRecord is a document of app_data_mutations.
type storedRecord struct {
	Key    bson.Binary `bson:"_id"`
	At     time.Time
	Digest bson.Binary
	Result bson.Binary
}

func newRecord(m *driverkit.MutationRecord) storedRecord {
	return storedRecord{
		Key: bson.Binary{Data: m.Key}, At: time.Now(),
		Digest: bson.Binary{Data: m.Digest}, Result: bson.Binary{Data: m.Result},
	}
}

// knownMutations returns the keys of the group's mutations that are recorded.
func (g *group) knownMutations(ctx context.Context) (map[string]bool, error) {
	known, keys := map[string]bool{}, bson.A{}
	for _, tx := range g.all {
		if tx.mutation != nil {
			keys = append(keys, bson.Binary{Data: tx.mutation.Key})
		}
	}
	if len(keys) == 0 {
		return known, nil
	}
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}}
	cursor, err := g.backend.database.Collection(mutationsName).Find(ctx, filter)
	if err != nil {
		return nil, err
	}
	var all []storedRecord
	if err := cursor.All(ctx, &all); err != nil {
		return nil, err
	}
	for _, m := range all {
		known[string(m.Key.Data)] = true
	}
	return known, nil
}

// replay answers a mutation that a transaction has seen recorded. A transaction also sees what the
// majority does not have yet, and snapshots do not show that; so it waits until the record is in a
// snapshot.
func (b *Backend) replay(ctx context.Context, tx *groupTx) (out backends.Outcome) {
	for {
		at, err := b.snapshot(ctx, "replay", nil, func(ctx context.Context) (err error) {
			out.Changes, err = b.replayed(ctx, tx)
			return err
		})
		if errors.Is(err, mongo.ErrNoDocuments) && ctx.Err() == nil {
			time.Sleep(2 * time.Millisecond)
			continue
		}
		if err != nil {
			return backends.Outcome{Err: err}
		}
		out.Replayed, out.Cursor = true, at
		return out
	}
}

func (b *Backend) replayed(ctx context.Context, tx *groupTx) ([]backends.Change, error) {
	var m storedRecord
	filter := bson.D{{Key: "_id", Value: bson.Binary{Data: tx.mutation.Key}}}
	if err := b.database.Collection(mutationsName).FindOne(ctx, filter).Decode(&m); err != nil {
		return nil, err
	}
	get := func(r protocol.Ref) (*protocol.Document, error) {
		found, err := b.find(ctx, r)
		if err != nil || found == nil {
			return nil, err
		}
		return found.doc, nil
	}
	return tx.mutation.Replay(tx.Tx, m.Digest.Data, m.Result.Data, get)
}
