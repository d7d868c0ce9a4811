package mongodb

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxSearching is how many searches of collections run at once.
	maxSearching = 2
	// searchOverlap is how far the clocks of gateways may be apart for a plain write beside a search
	// to be seen by it. Otherwise the upsert counts as the earlier one. Nothing else depends on it.
	searchOverlap = 2 * time.Second
	// maxFollowed is how many documents the worker reads that came after a search.
	maxFollowed = 20_000
)

// search is what a caller has found in one snapshot of a collection for its upserts by filter. It
// holds as long as no other group upserts by filter into the collection, and the documents that
// were found are as they were.
type search struct {
	number int64     // of groups that have upserted by filter
	since  time.Time // documents from then on are looked at again
	found  map[*backends.Write]*stored
}

// searchFor searches the collections of upserts that the worker cannot decide. n is the number of
// transactions that the searches are good for: those before the first that needs one go first. With
// force it searches for all upserts.
func (b *Backend) searchFor(
	ctx context.Context, txs []backends.Tx, force bool,
) (searches map[*backends.Write]*search, n int, err error) {
	need := map[protocol.Ref][]*backends.Write{}
	searches = map[*backends.Write]*search{}
	for collection, writes := range filtered(txs) {
		if !force {
			if writes, err = b.unserved(ctx, collection, writes); err != nil {
				return nil, 0, err
			}
		}
		for _, w := range writes {
			searches[w] = &search{}
		}
		if len(writes) > 0 {
			need[collection] = writes
		}
	}
	if n = before(txs, searches); n > 0 {
		return nil, n, nil
	}
	for collection, writes := range need {
		s, err := b.search(ctx, collection, writes)
		if err != nil {
			return nil, 0, err
		}
		for _, w := range writes {
			searches[w] = s
		}
	}
	return searches, len(txs), nil
}

// before is the number of transactions before the first with one of the searches.
func before(txs []backends.Tx, searches map[*backends.Write]*search) int {
	for i := range txs {
		for j := range txs[i].Writes {
			if searches[&txs[i].Writes[j]] != nil {
				return i
			}
		}
	}
	return len(txs)
}

// unserved returns the upserts whose look-up would read a whole collection that is not small.
func (b *Backend) unserved(
	ctx context.Context, collection protocol.Ref, writes []*backends.Write,
) (unserved []*backends.Write, err error) {
	n := int64(-1)
	for _, w := range writes {
		l, ok := leafOf(w.Filter)
		if ok && b.fields.ready(l.field) {
			continue
		}
		if n < 0 {
			filter := within(collection.Scope, collection.Collection)
			if n, err = b.docs.CountDocuments(ctx, filter, options.Count().SetLimit(maxRead)); err != nil {
				return nil, err
			}
		}
		if n <= small {
			return nil, nil
		}
		if ok {
			if ok, err = b.hasIndex(ctx, collection, l, int(n)); err != nil {
				return nil, err
			}
		}
		if !ok {
			unserved = append(unserved, w)
		}
	}
	return unserved, nil
}

// search searches a collection for the filters of upserts, and then what has changed meanwhile.
func (b *Backend) search(
	ctx context.Context, collection protocol.Ref, writes []*backends.Write,
) (*search, error) {
	select {
	case b.searching <- struct{}{}:
		defer func() { <-b.searching }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	first, err := b.searchSince(ctx, collection, writes, &search{})
	if err != nil {
		return nil, err
	}
	return b.searchSince(ctx, collection, writes, first)
}

// searchSince searches what has changed since an earlier search. If others have upserted by filter
// meanwhile, it returns the earlier one, which the worker will find to be too old.
func (b *Backend) searchSince(
	ctx context.Context, collection protocol.Ref, writes []*backends.Write, earlier *search,
) (s *search, err error) {
	filter := append(within(collection.Scope, collection.Collection), anyOf(writes))
	if !earlier.since.IsZero() {
		filter = append(filter, from(earlier.since))
	}
	_, err = b.snapshot(ctx, "search a collection", nil, func(ctx context.Context) error {
		s = &search{since: time.Now().Add(-searchOverlap), found: map[*backends.Write]*stored{}}
		for w, d := range earlier.found {
			s.found[w] = d
		}
		if s.number, err = b.lockNumber(ctx, collection); err != nil {
			return err
		}
		if earlier.found != nil && s.number != earlier.number {
			s = earlier
			return nil
		}
		return b.searchDocuments(ctx, filter, s, writes)
	})
	return s, err
}

func from(since time.Time) bson.E {
	return bson.E{Key: "updatedAt", Value: bson.D{{Key: "$gte", Value: since}}}
}

// searchDocuments reads documents, newest first, until it has the one that each upsert means.
func (b *Backend) searchDocuments(
	ctx context.Context, filter bson.D, s *search, writes []*backends.Write,
) error {
	found, err := b.docs.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "updatedAt", Value: -1}}))
	if err != nil {
		return err
	}
	defer closeCursor(ctx, found)
	for found.Next(ctx) && ctx.Err() == nil { // there may be many filters
		d, ok := b.read(found.Current)
		if ok && d.doc != nil && s.take(&d, writes) {
			return nil
		}
	}
	return errors.Join(found.Err(), ctx.Err())
}

// take notes a document. enough is true if it is older than what each upsert means. Documents whose
// time is no date may come first; they are older than all others.
func (s *search) take(d *stored, writes []*backends.Write) (enough bool) {
	enough = true
	for _, w := range writes {
		best := s.found[w]
		enough = enough && best != nil && d.doc.Updated.Before(best.doc.Updated)
		if w.Filter.Matches(d.doc) && (best == nil || backends.Before(d.doc, best.doc)) {
			s.found[w] = d.clone()
		}
	}
	return enough
}

// lockNumber is how many groups have upserted by filter into a collection.
func (b *Backend) lockNumber(ctx context.Context, collection protocol.Ref) (int64, error) {
	var lock struct{ N int64 }
	filter := bson.D{{Key: "_id", Value: prefix(collection)}}
	err := b.database.Collection(locksName).FindOne(ctx, filter).Decode(&lock)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	return lock.N, err
}

// everything comes before all documents: nothing is known of them.
var everything = &protocol.Document{Updated: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}

// loadSearched stages what callers have found and what came after. Where a search is too old, it
// leaves the upsert undecided.
func (g *group) loadSearched(ctx context.Context, collection protocol.Ref, writes []*backends.Write) error {
	if len(writes) == 0 {
		return nil
	}
	number, err := g.backend.lockNumber(ctx, collection) // this group has counted itself
	if err != nil {
		return err
	}
	var refs []protocol.Ref
	since := time.Now()
	for _, w := range writes {
		s := g.searches[w]
		if s.since.Before(since) {
			since = s.since
		}
		if d := s.found[w]; d != nil && g.staged.Docs[d.ref] == nil {
			g.staged.Docs[d.ref] = &driverkit.StagedDoc{}
			refs = append(refs, d.ref)
		}
	}
	if err := g.load(ctx, refs); err != nil {
		return err
	}
	recent := scan{within: collection, times: bson.D{from(since)}, max: maxFollowed}
	all, err := g.lookUp(ctx, recent, writes)
	for _, w := range writes {
		s := g.searches[w]
		if d := s.found[w]; d != nil {
			g.passed[w] = d.doc
			all = all && g.found[d.ref] != nil && bytes.Equal(g.found[d.ref].raw, d.raw)
		}
		if !all || s.number+1 != number {
			g.passed[w] = everything
		}
	}
	return err
}
