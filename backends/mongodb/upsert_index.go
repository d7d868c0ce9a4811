package mongodb

import (
	"context"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/protocol"
)

// The look-up of an upsert by filter reads a whole collection while that is small. For a collection
// that has grown, the gateway makes an index for the field of the look-up. Documents without the
// field are not in the index and cost nothing. Without the right to make an index, look-ups go on
// as before.

const (
	// small is the number of documents up to which a collection needs no index.
	small = 1000
	// countEvery is the number of upserts by a field after which the collection is counted again.
	countEvery = 200
	// maxFields bounds the indexes. The server allows 64 for a collection, and each one costs its
	// writers.
	maxFields = 16
	// indexPrefix is the beginning of an index's name. The field follows.
	indexPrefix = "secondgate_upsert_"
)

// fields holds what is known of the fields that upserts look up.
type fields struct {
	mu      sync.Mutex
	indexed map[string]bool
	upserts map[string]int // by field
}

func newFields() *fields { return &fields{indexed: map[string]bool{}, upserts: map[string]int{}} }

// due reports whether to count a collection now, because the field may need an index.
func (f *fields) due(field string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.indexed[field] || len(f.indexed) >= maxFields || len(f.upserts) > 1000 {
		return false
	}
	n := f.upserts[field]
	f.upserts[field] = n + 1
	return n%countEvery == 0
}

// claim returns true to one caller, which makes the index.
func (f *fields) claim(field string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.indexed[field] || len(f.indexed) >= maxFields {
		return false
	}
	f.indexed[field] = true
	return true
}

// forget lets a later caller try again.
func (f *fields) forget(field string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.indexed, field)
}

// considerIndex makes an index in the background if the collection has grown.
func (b *Backend) considerIndex(collection protocol.Ref, field string) {
	if !b.fields.due(field) {
		return
	}
	ctx := b.life.Context()
	b.life.Go(func() {
		filter := within(collection.Scope, collection.Collection)
		n, err := b.docs.CountDocuments(ctx, filter, options.Count().SetLimit(small+1))
		if err != nil || n <= small || !b.fields.claim(field) {
			return
		}
		if err := b.makeIndex(ctx, field); isAway(err) {
			b.fields.forget(field)
		} else if err != nil && ctx.Err() == nil {
			b.options.Log.Warn("upserts by this field read the whole collection: no index could be made",
				"field", field, "error", err)
		}
	})
}

func (b *Backend) makeIndex(ctx context.Context, field string) error {
	path := "data." + field
	_, err := b.docs.Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{
			{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1},
			{Key: path, Value: 1},
		},
		Options: options.Index().SetName(indexPrefix + field).
			SetPartialFilterExpression(bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: true}}}}),
	})
	return err
}
