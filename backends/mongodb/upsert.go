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
	"github.com/secondgate/secondgate/protocol"
)

// Two upserts by filter that find nothing must not both make a document which the other one means. Each group that
// upserts so writes one document per collection: of two groups, on whatever gateways, that do so at once one fails and
// looks again. Filters can overlap without being equal, so that a lock per filter would not do.

// byFilter tells an upsert that has to look for its document.
func byFilter(w *backends.Write) bool {
	return w.Op == backends.Upsert && w.Filter != nil && w.Filter.ID == "" && w.ID == ""
}

// filtered are the upserts by filter, by collection.
func (g *group) filtered() map[protocol.Ref][]*backends.Write {
	all := map[protocol.Ref][]*backends.Write{}
	for _, d := range g.decided {
		for i := range d.tx.Writes {
			if w := &d.tx.Writes[i]; byFilter(w) {
				place := protocol.Ref{Scope: d.tx.Scope, Collection: w.Collection}
				all[place] = append(all[place], w)
			}
		}
	}
	return all
}

// lock writes the locks of the collections.
func (g *group) lock(ctx context.Context) error {
	var names []string
	for place := range g.filtered() {
		names = append(names, prefix(place))
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	var models []mongo.WriteModel
	for _, name := range names {
		models = append(models, mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: name}}).SetUpsert(true).
			SetUpdate(bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}}))
	}
	_, err := g.backend.database.Collection(locksName).BulkWrite(ctx, models, options.BulkWrite())
	return err
}

// match reads what the filters may mean, for all of a collection at once.
func (g *group) match(ctx context.Context) error {
	for place, writes := range g.filtered() {
		if err := g.matchIn(ctx, place, writes); err != nil {
			return err
		}
	}
	return nil
}

// matchIn looks for the filters of one collection: those that go by the value of one field in one look-up each field, which
// an index can serve, the others in one.
func (g *group) matchIn(ctx context.Context, place protocol.Ref, writes []*backends.Write) error {
	byField, others := map[string]bson.A{}, bson.A{}
	for _, w := range writes {
		if field, values, ok := leading(w.Filter); ok {
			byField[field] = append(byField[field], values...)
			g.backend.considerIndex(place, field)
		} else {
			others = append(others, prefilter(w.Filter))
		}
	}
	for field, values := range byField {
		if err := g.lookUp(ctx, place, writes, bson.E{Key: "data." + field, Value: bson.D{{Key: "$in", Value: values}}}); err != nil {
			return err
		}
	}
	if len(others) == 0 {
		return nil
	}
	return g.lookUp(ctx, place, writes, bson.E{Key: "$or", Value: others})
}

// lookUp reads the documents that fulfil a condition and gives each write those that its filter matches.
func (g *group) lookUp(ctx context.Context, place protocol.Ref, writes []*backends.Write, condition bson.E) error {
	found, err := g.backend.docs.Find(ctx, append(within(place.Scope, place.Collection), condition))
	if err != nil {
		return err
	}
	defer leave(ctx, found)
	for found.Next(ctx) {
		s, ok := g.backend.read(found.Current)
		if !ok || s.doc == nil || g.states[s.ref] != nil {
			continue
		}
		if slices.ContainsFunc(writes, func(w *backends.Write) bool { return w.Filter.Matches(s.doc) }) {
			s.raw = append(bson.Raw(nil), found.Current...)
			s.key = s.raw.Lookup("_id")
			g.states[s.ref] = &state{found: &s, doc: s.doc, taken: true}
		}
	}
	return found.Err()
}

// leading is a field, and values of which every document has one there that the filter matches, for a look-up by equality. In MongoDB's
// own a value also finds arrays that hold it, and null what is missing; numbers are equal whatever their types.
func leading(f *protocol.Filter) (field string, values bson.A, ok bool) {
	for _, c := range f.Conditions {
		plain := c.Field != "" && !strings.HasPrefix(c.Field, "$") && !strings.ContainsAny(c.Field, ".\x00") && utf8.ValidString(c.Field)
		if plain && c.Value[0] != '{' && c.Value[0] != '[' && c.Value[0] != 'n' {
			return c.Field, forms(c.Value), true
		}
	}
	return "", nil, false
}

// prefilter is a condition that every document which the filter matches fulfils, where none can be looked up.
func prefilter(f *protocol.Filter) bson.D {
	for _, c := range f.Conditions {
		if c.Field != "" && !strings.HasPrefix(c.Field, "$") && !strings.ContainsAny(c.Field, ".\x00") {
			return bson.D{{Key: "data." + c.Field, Value: bson.D{{Key: "$exists", Value: true}}}}
		}
	}
	return bson.D{}
}

// newest is the document that an upsert by filter means: of what was found and what the writes before it have made. What
// was found has a state, which is what it is by now.
func (g *group) newest(tx *backends.Tx, w *backends.Write) *protocol.Document {
	var docs []protocol.Document
	for r, s := range g.states {
		if r.Scope == tx.Scope && r.Collection == w.Collection && s.doc != nil {
			docs = append(docs, *s.doc)
		}
	}
	return backends.Newest(*w.Filter, docs)
}
