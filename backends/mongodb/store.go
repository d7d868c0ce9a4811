package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// store stores what the group has decided.
func (g *group) store(ctx context.Context) error {
	for r, d := range g.staged.Docs {
		if m := g.model(r, d); m != nil {
			g.models = append(g.models, m)
		}
	}
	if len(g.models) > 0 {
		if note := g.authorNote(); note != nil {
			g.models = append(g.models, note)
		}
		if _, err := g.backend.docs.BulkWrite(ctx, g.models, options.BulkWrite().SetOrdered(false)); err != nil {
			return err
		}
	}
	if len(g.records) > 0 {
		if _, err := g.backend.database.Collection(mutationsName).InsertMany(ctx, g.records); err != nil {
			return err
		}
	}
	return g.storeEntries(ctx)
}

// storeEntries stores the entries of the ledger. Rows of the audit trail are one command.
func (g *group) storeEntries(ctx context.Context) error {
	var rows []any
	for _, e := range g.entries {
		if e.Kind != backends.AuditKind {
			if err := g.backend.put(ctx, e); err != nil {
				return err
			}
			continue
		}
		row, err := auditRow(e)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := g.backend.audit().InsertMany(ctx, rows, options.InsertMany().SetOrdered(false))
	return err
}

// empty reports whether the group stores nothing.
func (g *group) empty() bool { return len(g.models) == 0 && len(g.records) == 0 && len(g.entries) == 0 }

// model is the write that a document needs, nil if it needs none. It notes the document's _id.
func (g *group) model(r protocol.Ref, d *driverkit.StagedDoc) mongo.WriteModel {
	found := g.found[r]
	switch {
	case !d.Changed || found == nil && d.Doc == nil:
		return nil
	case found == nil:
		key := g.key(r)
		g.stored[r] = key
		return mongo.NewInsertOneModel().SetDocument(compose(key, r, d.Doc))
	}
	g.stored[r] = found.key
	if d.Doc == nil {
		return mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: found.key}})
	}
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: found.key}}).
		SetUpdate(replacement(found, d.Doc, d.Created))
}

// key is the _id of a new document. If another collection has the plain id, the composite one is
// left.
func (g *group) key(r protocol.Ref) any {
	if _, taken := g.plain[r.ID]; protocol.ServerMade(r.ID) && !taken {
		return r.ID
	}
	return composite(r)
}

// replacement is an update that replaces data as a whole. Fields of other programs stay. created
// tells that the document was deleted and created again.
//
// It must not be a pipeline. Of a pipeline, the server logs the difference of the two states; a
// change stream then shows fields that have moved twice (seen on 6.0.5). Of $set it logs the value.
func replacement(found *stored, d *protocol.Document, created bool) bson.D {
	data := preserve(found.raw.Lookup("data"), d.Data)
	if created {
		data = fromJSON(d.Data)
	}
	set := bson.D{{Key: "data", Value: data}, {Key: "updatedAt", Value: d.Updated}}
	if created {
		set = append(set, bson.E{Key: "createdAt", Value: d.Created})
	}
	return bson.D{{Key: "$set", Value: set}}
}
