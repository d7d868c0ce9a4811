package mongodb

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

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
		var out backends.Outcome
		at, err := g.backend.snapshot(ctx, "replay", nil, func(ctx context.Context) (err error) {
			out, err = g.backend.repeat(ctx, d)
			return err
		})
		if err != nil {
			out = backends.Outcome{Err: err}
		} else if out.Err == nil {
			out.Replayed, out.Cursor = true, at
		}
		*d.out = out
	}
	return nil
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
