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

// writeSingle carries out a call of one write without a mutation id, by nobody whose id is known.
// It uses no transaction, which would cost the server half as much again. It returns false if a
// transaction is needed; then nothing has happened.
func (b *Backend) writeSingle(ctx context.Context, c *call) bool {
	if len(c.txs) != 1 {
		return false
	}
	tx, out := &c.txs[0], &c.outs[0]
	if len(tx.Writes) != 1 || tx.Mutation != "" || tx.Entries != nil || tx.Writes[0].Filter != nil {
		return false
	}
	if tx.By.ID != "" { // a transaction notes who it was
		return false
	}
	session, err := b.client.StartSession()
	if err != nil {
		return false
	}
	defer endSession(ctx, session)
	epoch := b.currentEpoch()
	change, done, err := b.tryWrite(mongo.NewSessionContext(ctx, session), tx)
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
	change.Commit = commit{epoch, at}
	out.Changes = []backends.Change{change}
	return true
}

// tryWrite finds, decides and stores, on the condition that the document is still as it was found.
// done is false if it is not, or if the write is refused: a transaction then decides.
func (b *Backend) tryWrite(
	ctx context.Context, tx *backends.Tx,
) (change backends.Change, done bool, err error) {
	w := &tx.Writes[0]
	r := driverkit.Target(tx, w)
	var found *stored
	if w.Op != backends.Insert || !protocol.ServerMade(r.ID) { // no document has an id that was just made
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
	if change.Doc != nil && tooLongForOne(found, change.Doc) {
		return change, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, singleTime)
	defer cancel()
	n, err := b.storeOne(ctx, found, change)
	if mongo.IsDuplicateKeyError(err) || timeIsOver(err) || err == nil && n == 0 {
		return change, false, nil
	}
	return change, true, err
}

// timeIsOver reports whether the server gave a command up before it did anything. It also says so
// while it waits for the majority, when the write has happened: that is another error.
func timeIsOver(err error) bool {
	const maxTimeMSExpired = 50
	var refused mongo.CommandError
	return errors.As(err, &refused) && refused.Code == maxTimeMSExpired
}

// singleTime is how long the server may wait to store one write. Where another program's transaction
// has the document, it would wait for that; in a transaction, conflicts are told at once. The driver
// makes it the command's maxTimeMS, at whose end nothing has happened.
const singleTime = 3 * time.Second

// tooLongForOne reports whether a command may not have room for the new document and the old one,
// which is its condition.
func tooLongForOne(found *stored, d *protocol.Document) bool {
	old := beside
	if found != nil {
		old = len(found.raw)
	}
	return mayExceed(len(d.Data), old)
}

// storeOne stores one change and returns the number of documents that it has changed.
func (b *Backend) storeOne(ctx context.Context, found *stored, change backends.Change) (n int64, err error) {
	if found == nil {
		var key any = change.Ref.ID
		if !protocol.ServerMade(change.Ref.ID) {
			key = composite(change.Ref)
		}
		_, err = b.docs.InsertOne(ctx, compose(key, change.Ref, change.Doc))
		return 1, err
	}
	// The condition is the whole document: another program may also have changed its collection.
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
	result, err := b.docs.UpdateOne(ctx, same, replacement(found, change.Doc, false))
	if err != nil {
		return 0, err
	}
	return result.MatchedCount, nil
}
