package mongodb

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/protocol"
)

// The look-up of an upsert by filter reads a whole collection while that is small. For a collection
// that has grown, the gateway makes an index for a field that is looked up again and again.
// Documents without the field are not in the index and cost nothing. Without the right to make an
// index, look-ups go on as before.

const (
	// small is the number of documents up to which a collection needs no index.
	small = 1000
	// repeated is the number of upserts by a field from which on it may get an index.
	repeated = 20
	// countEvery is the number of further upserts after which the collection is counted again.
	countEvery = 200
	// maxIndexes bounds the indexes. The server allows 64 for a collection, and each one costs its
	// writers.
	maxIndexes = 16
	// maxFields bounds the fields that are remembered. The least recently used one is forgotten.
	maxFields = 1000
	// maxFieldName is the length of the longest field that can have an index.
	maxFieldName = 200
	// unusedTime is how long an index was not used that another one may replace.
	unusedTime = time.Hour
	// indexPrefix is the beginning of an index's name. The field follows.
	indexPrefix = "secondgate_upsert_"
)

// fields holds what is known of the fields that upserts look up.
type fields struct {
	making chan struct{} // held while an index is made

	mu   sync.Mutex
	uses uint64 // of all fields
	of   map[string]*fieldUse
	from time.Time // when this began: nothing is known of earlier uses
}

// fieldUse tells how a field is used.
type fieldUse struct {
	upserts int
	last    uint64 // fields.uses at the last one
	at      time.Time
	settled bool // it has its index, or cannot have one
}

func newFields() *fields {
	return &fields{making: make(chan struct{}, 1), of: map[string]*fieldUse{}, from: time.Now()}
}

// due notes an upsert by a field, and reports whether to count the collection now, because the field
// may need an index.
func (f *fields) due(field string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	use := f.of[field]
	if use == nil {
		if len(f.of) >= maxFields {
			f.forgetOldest()
		}
		use = &fieldUse{}
		f.of[field] = use
	}
	f.uses++
	use.upserts++
	use.last, use.at = f.uses, time.Now()
	return !use.settled && use.upserts >= repeated && (use.upserts-repeated)%countEvery == 0
}

func (f *fields) forgetOldest() {
	oldest, at := "", uint64(0)
	for name, use := range f.of {
		if at == 0 || use.last < at {
			oldest, at = name, use.last
		}
	}
	delete(f.of, oldest)
}

// settle notes whether a field needs no further attempt.
func (f *fields) settle(field string, settled bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if use := f.of[field]; use != nil {
		use.settled = settled
	}
}

// replaceable returns the one of these fields that was not used for longest, if that is long.
func (f *fields) replaceable(indexed []string) (field string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	oldest := time.Now().Add(-unusedTime)
	for _, name := range indexed {
		at := f.from
		if use := f.of[name]; use != nil {
			at = use.at
		}
		if at.Before(oldest) {
			field, oldest, ok = name, at, true
		}
	}
	return field, ok
}

// considerIndex makes an index in the background if the collection has grown.
func (b *Backend) considerIndex(collection protocol.Ref, field string) {
	if !b.fields.due(field) {
		return
	}
	ctx := b.life.Context()
	b.life.Go(func() {
		select {
		case b.fields.making <- struct{}{}:
			defer func() { <-b.fields.making }()
		case <-ctx.Done():
			return
		}
		filter := within(collection.Scope, collection.Collection)
		n, err := b.docs.CountDocuments(ctx, filter, options.Count().SetLimit(small+1))
		if err != nil || n <= small {
			return
		}
		made, err := b.makeIndex(ctx, field)
		b.fields.settle(field, made || err != nil && !isAway(err))
		if err != nil && !isAway(err) && ctx.Err() == nil {
			b.options.Log.Warn("upserts by this field read the whole collection: no index could be made",
				"field", field, "error", err)
		}
	})
}

// makeIndex makes the index of a field, in place of another one if there are too many. made is false
// if all others are in use.
func (b *Backend) makeIndex(ctx context.Context, field string) (made bool, err error) {
	exist, err := b.docs.Indexes().ListSpecifications(ctx)
	if err != nil {
		return false, err
	}
	var indexed []string
	for _, index := range exist {
		if name, ours := strings.CutPrefix(index.Name, indexPrefix); ours && name != field {
			indexed = append(indexed, name)
		}
	}
	if len(indexed) >= maxIndexes {
		other, ok := b.fields.replaceable(indexed)
		if !ok {
			return false, nil
		}
		if err := b.docs.Indexes().DropOne(ctx, indexPrefix+other); err != nil {
			return false, err
		}
		b.fields.settle(other, false)
	}
	path := "data." + field
	_, err = b.docs.Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{
			{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1},
			{Key: path, Value: 1},
		},
		Options: options.Index().SetName(indexPrefix + field).
			SetPartialFilterExpression(bson.D{{Key: path, Value: bson.D{{Key: "$exists", Value: true}}}}),
	})
	return err == nil, err
}
