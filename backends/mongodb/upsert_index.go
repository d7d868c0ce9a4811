package mongodb

import (
	"context"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/protocol"
)

// A look-up of an upsert by filter reads a small collection as a whole. Where one has grown, an index is made for the
// field that the filter goes by; documents without that field are not in it and pay nothing for it. Without the right to
// make one look-ups go on as before.

const (
	// small is how many documents a collection may have before a field of it is worth an index.
	small = 1000
	// askEvery is how many upserts go by between two looks at how large a collection is.
	askEvery = 200
	// maxFields bounds the indexes that are made: the server has at most 64 for a collection, and each costs its writers.
	maxFields = 16
	// indexPrefix is what the names of these indexes begin with; the field follows.
	indexPrefix = "secondgate_upsert_"
)

// fields are those that upserts go by.
type fields struct {
	mu      sync.Mutex
	indexed map[string]bool
	asked   map[string]int // by field: upserts since the collection was looked at
}

func newFields() *fields { return &fields{indexed: map[string]bool{}, asked: map[string]int{}} }

// due tells whether it is time to see if a field is worth an index.
func (f *fields) due(field string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.indexed[field] || len(f.indexed) >= maxFields || len(f.asked) > 1000 {
		return false
	}
	n := f.asked[field]
	f.asked[field] = n + 1
	return n%askEvery == 0
}

// claim is true for one caller, who makes the index.
func (f *fields) claim(field string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.indexed[field] || len(f.indexed) >= maxFields {
		return false
	}
	f.indexed[field] = true
	return true
}

// forget lets somebody try again later.
func (f *fields) forget(field string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.indexed, field)
}

// considerIndex makes an index for a field of a collection that has grown, beside what else happens.
func (b *Backend) considerIndex(place protocol.Ref, field string) {
	if !b.fields.due(field) {
		return
	}
	b.running.Go(func() {
		n, err := b.docs.CountDocuments(b.ctx, within(place.Scope, place.Collection), options.Count().SetLimit(small+1))
		if err != nil || n <= small || !b.fields.claim(field) {
			return
		}
		if err := b.makeIndex(b.ctx, field); isAway(err) {
			b.fields.forget(field)
		} else if err != nil && b.ctx.Err() == nil {
			b.options.Log.Warn("upserts by this field read the whole collection: no index could be made", "field", field, "error", err)
		}
	})
}

func (b *Backend) makeIndex(ctx context.Context, field string) error {
	path := "data." + field
	_, err := b.docs.Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys:    bson.D{{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1}, {Key: path, Value: 1}},
		Options: options.Index().SetName(indexPrefix + field).SetPartialFilterExpression(bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: true}}}}),
	})
	return err
}
