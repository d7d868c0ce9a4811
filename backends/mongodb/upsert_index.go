package mongodb

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/protocol"
)

// The look-up of an upsert by filter reads a whole collection while that is small. In a collection
// that has grown, callers search instead, and the gateway makes an index for a field for which they
// have read much: in a large collection after the first upsert. Documents without the field are not
// in the index and cost nothing. Without the right to make an index, callers go on searching.

const (
	// small is the number of documents up to which a collection needs no index.
	small = 1000
	// maxRead is how many documents callers read by searches for a field until it may get an index.
	maxRead = 20 * small
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
	read    int    // documents by searches, since an index was last considered
	last    uint64 // fields.uses at the last one
	at      time.Time
	settled bool // it has its index, or cannot have one
	ready   bool // the index can be used
}

func newFields() *fields {
	return &fields{making: make(chan struct{}, 1), of: map[string]*fieldUse{}, from: time.Now()}
}

// due notes a search of n documents for a field, and reports whether it may get an index now.
func (f *fields) due(field string, n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	use := f.use(field)
	if use.read += n; use.settled || use.read < maxRead {
		return false
	}
	use.read = 0
	return true
}

// ready notes an upsert by a field, and reports whether its index can be used.
func (f *fields) ready(field string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.use(field).ready
}

func (f *fields) use(field string) *fieldUse {
	use := f.of[field]
	if use == nil {
		if len(f.of) >= maxFields {
			f.forgetOldest()
		}
		use = &fieldUse{}
		f.of[field] = use
	}
	f.uses++
	use.last, use.at = f.uses, time.Now()
	return use
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

// settle notes whether a field needs no further attempt, and whether its index can be used.
func (f *fields) settle(field string, settled, ready bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if use := f.of[field]; use != nil {
		use.settled, use.ready = settled, ready
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

// hasIndex reports whether the index of a field can be used in a collection of n documents. If it
// cannot, it makes one in the background when that is due.
func (b *Backend) hasIndex(ctx context.Context, collection protocol.Ref, l leaf, n int) (bool, error) {
	use := lookup{field: l.field}
	use.add(l.value)
	filter := append(within(collection.Scope, collection.Collection), use.condition())
	hint := options.FindOne().SetHint(indexPrefix + l.field).SetProjection(bson.D{{Key: "_id", Value: 1}})
	err := b.docs.FindOne(ctx, filter, hint).Err()
	switch {
	case err == nil || errors.Is(err, mongo.ErrNoDocuments):
		b.fields.settle(l.field, true, true)
		return true, nil
	case !hasCode(err, codesHint...): // it does not exist, or is not complete
		return false, err
	}
	if b.fields.due(l.field, n) {
		b.life.Go(func() { b.considerIndex(b.life.Context(), l.field) })
	}
	return false, nil
}

// considerIndex makes the index of a field. One is made at a time.
func (b *Backend) considerIndex(ctx context.Context, field string) {
	select {
	case b.fields.making <- struct{}{}:
		defer func() { <-b.fields.making }()
	case <-ctx.Done():
		return
	}
	made, err := b.makeIndex(ctx, field)
	b.fields.settle(field, made || err != nil && !isAway(err), made)
	if err != nil && !isAway(err) && ctx.Err() == nil {
		b.options.Log.Warn("upserts by this field search the whole collection: no index could be made",
			"field", field, "error", err)
	}
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
		b.fields.settle(other, false, false)
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
