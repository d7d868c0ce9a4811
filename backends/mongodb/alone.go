package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// alone carries out a call that is one write without a memory, when nothing else waits, without a transaction, which
// takes the server half as long again. It is false where that cannot be done, and nothing has happened then.
func (b *Backend) alone(ctx context.Context, c *call) bool {
	if len(c.txs) != 1 {
		return false
	}
	tx, out := &c.txs[0], &c.outs[0]
	if len(tx.Writes) != 1 || tx.Mutation != "" || tx.Entries != nil || byFilter(&tx.Writes[0]) || tx.Writes[0].Filter != nil {
		return false
	}
	session, err := b.client.StartSession()
	if err != nil {
		return false
	}
	defer leaveSession(ctx, session)
	life := b.epoch()
	change, done, err := b.single(mongo.NewSessionContext(ctx, session), tx)
	if !done {
		return false
	}
	if err != nil {
		out.Err = err
		return true
	}
	at, err := b.committedAt(ctx, session)
	if err != nil {
		out.Err = errors.Join(errUnknown, err)
		return true
	}
	change.Commit = commit{life, at}
	out.Changes = []backends.Change{change}
	return true
}

// single finds, decides and stores, on condition that the document is still as it was found. It is not done if it is not,
// or if it is refused: a transaction then has the last word.
func (b *Backend) single(ctx context.Context, tx *backends.Tx) (change backends.Change, done bool, err error) {
	w := &tx.Writes[0]
	r := target(tx, w)
	var found *stored
	if w.Op != backends.Insert || !protocol.ServerMade(r.ID) { // an id that was just made is nobody's
		if found, err = b.find(ctx, r); err != nil || found != nil && found.doc == nil {
			return change, false, nil
		}
	}
	var before *protocol.Document
	if found != nil {
		before = found.doc
	}
	if change, err = w.Apply(tx, before); err != nil {
		return change, false, nil
	}
	n, err := b.storeOne(ctx, found, change)
	if mongo.IsDuplicateKeyError(err) || err == nil && n == 0 {
		return change, false, nil
	}
	return change, true, err
}

// storeOne stores one change and tells how many documents that has changed.
func (b *Backend) storeOne(ctx context.Context, found *stored, change backends.Change) (n int64, err error) {
	if found == nil {
		var key any = change.Ref.ID
		if !protocol.ServerMade(change.Ref.ID) {
			key = composite(change.Ref)
		}
		_, err = b.docs.InsertOne(ctx, compose(key, change.Ref, change.Doc))
		return 1, err
	}
	// The whole document is the condition: others may have changed where it belongs, too.
	same := bson.D{{Key: "_id", Value: found.key}}
	for _, name := range []string{"data", "workspaceId", "appId", "collection", "createdAt", "updatedAt"} {
		if v, err := found.raw.LookupErr(name); err == nil {
			same = append(same, bson.E{Key: name, Value: bson.D{{Key: "$eq", Value: v}}})
		}
	}
	if change.Op == backends.Delete {
		result, err := b.docs.DeleteOne(ctx, same)
		if err != nil {
			return 0, err
		}
		return result.DeletedCount, nil
	}
	result, err := b.docs.UpdateOne(ctx, same, replacing(found, change.Doc, false))
	if err != nil {
		return 0, err
	}
	return result.MatchedCount, nil
}
