package mongodb

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// remembered is what was kept of a mutation.
type remembered struct {
	Key    bson.Binary `bson:"_id"`
	Digest bson.Binary
	Result bson.Binary
}

// recall learns which mutations of the group are remembered.
func (g *group) recall(ctx context.Context) error {
	keys := bson.A{}
	for _, d := range g.decided {
		if d.memory != nil {
			keys = append(keys, bson.Binary{Data: d.memory.Key})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := g.backend.database.Collection(mutationsName).Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}})
	if err != nil {
		return err
	}
	var all []remembered
	if err := found.All(ctx, &all); err != nil {
		return err
	}
	for _, m := range all {
		g.known[string(m.Key.Data)] = true
	}
	return nil
}

// replay answers the transactions that were carried out before, with their documents as they are now.
func (g *group) replay(ctx context.Context) error {
	for _, d := range g.replays {
		*d.out = g.backend.replayed(ctx, d)
	}
	return nil
}

// replayed waits for a mutation that was seen to be committed for good: a transaction also sees what the majority does not
// have yet, and snapshots do not show that.
func (b *Backend) replayed(ctx context.Context, d *decided) (out backends.Outcome) {
	for {
		at, err := b.snapshot(ctx, "replay", nil, func(ctx context.Context) (err error) {
			out, err = b.repeat(ctx, d)
			return err
		})
		switch {
		case errors.Is(err, mongo.ErrNoDocuments) && ctx.Err() == nil:
			time.Sleep(2 * time.Millisecond)
			continue
		case err != nil:
			return backends.Outcome{Err: err}
		case out.Err == nil:
			out.Replayed, out.Cursor = true, at
		}
		return out
	}
}

func (b *Backend) repeat(ctx context.Context, d *decided) (out backends.Outcome, err error) {
	var m remembered
	if err := b.database.Collection(mutationsName).FindOne(ctx, bson.D{{Key: "_id", Value: bson.Binary{Data: d.memory.Key}}}).Decode(&m); err != nil {
		return out, err
	}
	if !bytes.Equal(m.Digest.Data, d.memory.Digest) {
		out.Err = backends.ErrMismatch
		return out, nil
	}
	results, err := backends.ParseResults(m.Result.Data)
	if err != nil {
		return out, err
	}
	for _, r := range results {
		change := backends.Change{Ref: protocol.Ref{Scope: d.tx.Scope, Collection: r.Collection, ID: r.ID}, Op: r.Op, By: d.tx.By}
		found, err := b.find(ctx, change.Ref)
		if err != nil {
			return out, err
		}
		if found != nil {
			change.Doc = found.doc
		}
		out.Changes = append(out.Changes, change)
	}
	return out, nil
}
