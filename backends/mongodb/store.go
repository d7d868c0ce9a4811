package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/protocol"
)

// store writes what the group has decided.
func (g *group) store(ctx context.Context) error {
	for r, s := range g.states {
		if m := g.model(r, s); m != nil {
			g.models = append(g.models, m)
		}
	}
	if len(g.models) > 0 {
		if _, err := g.backend.docs.BulkWrite(ctx, g.models, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	if len(g.memories) > 0 {
		if _, err := g.backend.database.Collection(mutationsName).InsertMany(ctx, g.memories); err != nil {
			return err
		}
	}
	for _, e := range g.entries {
		if err := g.backend.put(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// model is how a document gets from what was found to what it is now; nil if it does not.
func (g *group) model(r protocol.Ref, s *state) mongo.WriteModel {
	switch {
	case !s.changed || s.found == nil && s.doc == nil:
		return nil
	case s.found == nil:
		return mongo.NewInsertOneModel().SetDocument(compose(g.key(r), r, s.doc))
	case s.doc == nil:
		return mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: s.found.key}})
	}
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: s.found.key}}).SetUpdate(replacing(s.found, s.doc, s.fresh))
}

// key is what a new document is stored under. A plain _id that another collection has leaves the composite one.
func (g *group) key(r protocol.Ref) any {
	if _, taken := g.taken[r.ID]; protocol.ServerMade(r.ID) && !taken {
		return r.ID
	}
	return composite(r)
}

// replacing is an update that replaces data as a whole; fields of other programs stay.
//
// It must not be a pipeline: of one the server logs the difference between the two states, and what it makes of that for a
// change stream has names twice where fields have moved (seen on 6.0.5). Of $set it logs the value.
func replacing(found *stored, d *protocol.Document, fresh bool) bson.D {
	data := keeping(found.raw.Lookup("data"), d.Data)
	if fresh {
		data = fromJSON(d.Data)
	}
	set := bson.D{{Key: "data", Value: data}, {Key: "updatedAt", Value: d.Updated}}
	if fresh {
		set = append(set, bson.E{Key: "createdAt", Value: d.Created})
	}
	return bson.D{{Key: "$set", Value: set}}
}
