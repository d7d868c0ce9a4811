package mongodb

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// Two upserts by filter that find nothing must not both make a document which the other one means.
// So a group writes a lock document for each collection with upserts by filter. If two groups do so
// at once, on whatever gateways, one of them fails and is tried again. A lock for each filter would
// not suffice: filters can overlap without being equal.

// filtered returns the upserts by filter, by collection.
func (g *group) filtered() map[protocol.Ref][]*backends.Write {
	all := map[protocol.Ref][]*backends.Write{}
	for _, tx := range g.all {
		for i := range tx.Writes {
			if w := &tx.Writes[i]; driverkit.ByFilter(w) {
				collection := protocol.Ref{Scope: tx.Scope, Collection: w.Collection}
				all[collection] = append(all[collection], w)
			}
		}
	}
	return all
}

// lock writes the lock documents of the collections.
func (g *group) lock(ctx context.Context) error {
	var names []string
	for collection := range g.filtered() {
		names = append(names, prefix(collection))
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	var models []mongo.WriteModel
	for _, name := range names {
		increment := bson.D{
			{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}},
			{Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}}, // the server removes old ones
		}
		models = append(models, mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: name}}).SetUpsert(true).SetUpdate(increment))
	}
	_, err := g.backend.database.Collection(locksName).BulkWrite(ctx, models, options.BulkWrite())
	return err
}

// loadFiltered stages the documents that the filters match.
func (g *group) loadFiltered(ctx context.Context) error {
	for collection, writes := range g.filtered() {
		if err := g.loadCollection(ctx, collection, writes); err != nil {
			return err
		}
	}
	return nil
}

// loadCollection stages the documents that the filters of one collection match. It makes one
// look-up for each field that filters compare with a scalar, which an index can serve, and one for
// all other filters.
func (g *group) loadCollection(ctx context.Context, collection protocol.Ref, writes []*backends.Write) error {
	byField, others := map[string]bson.A{}, bson.A{}
	for _, w := range writes {
		if field, values, ok := indexable(w.Filter); ok {
			byField[field] = append(byField[field], values...)
			g.backend.considerIndex(collection, field)
		} else {
			others = append(others, prefilter(w.Filter))
		}
	}
	for field, values := range byField {
		condition := bson.E{Key: "data." + field, Value: bson.D{{Key: "$in", Value: values}}}
		if err := g.lookUp(ctx, collection, writes, condition); err != nil {
			return err
		}
	}
	if len(others) == 0 {
		return nil
	}
	return g.lookUp(ctx, collection, writes, bson.E{Key: "$or", Value: others})
}

// lookUp reads the documents that fulfil a condition, and stages those that a filter matches.
func (g *group) lookUp(
	ctx context.Context, collection protocol.Ref, writes []*backends.Write, condition bson.E,
) error {
	filter := append(within(collection.Scope, collection.Collection), condition)
	found, err := g.backend.docs.Find(ctx, filter)
	if err != nil {
		return err
	}
	defer closeCursor(ctx, found)
	for found.Next(ctx) {
		s, ok := g.backend.read(found.Current)
		if !ok || s.doc == nil || g.staged.Docs[s.ref] != nil {
			continue
		}
		if slices.ContainsFunc(writes, func(w *backends.Write) bool { return w.Filter.Matches(s.doc) }) {
			s.raw = append(bson.Raw(nil), found.Current...)
			s.key = s.raw.Lookup("_id")
			g.stage(&s)
		}
	}
	return found.Err()
}

// indexable returns a field that the filter compares with a scalar, and values: every document that
// the filter matches has one of them in the field. A look-up in MongoDB may find more: arrays that
// hold a value, and numbers of other types. It returns false for null, which would also find
// documents without the field.
func indexable(f *protocol.Filter) (field string, values bson.A, ok bool) {
	for _, c := range f.Conditions {
		scalar := c.Value[0] != '{' && c.Value[0] != '[' && c.Value[0] != 'n'
		if plainName(c.Field) && len(c.Field) <= maxFieldName && scalar && utf8.ValidString(c.Field) {
			return c.Field, storedForms(c.Value), true
		}
	}
	return "", nil, false
}

// plainName reports whether a condition can name the field as it is.
func plainName(field string) bool {
	return field != "" && !strings.HasPrefix(field, "$") && !strings.ContainsAny(field, ".\x00")
}

// prefilter is a condition that every document which the filter matches fulfils. It serves filters
// that are not indexable.
func prefilter(f *protocol.Filter) bson.D {
	for _, c := range f.Conditions {
		if plainName(c.Field) {
			return bson.D{{Key: "data." + c.Field, Value: bson.D{{Key: "$exists", Value: true}}}}
		}
	}
	return bson.D{}
}
