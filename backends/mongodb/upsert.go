package mongodb

import (
	"context"
	"errors"
	"slices"

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
//
// All writes of a gateway wait for the worker. So it looks filters up by an index, and reads at most
// maxCandidates documents for a look-up. Where that does not suffice, it defers the upsert: its
// caller searches the collection beforehand, see [search].

const (
	// maxCandidates is how many documents the worker reads for the filters that share a look-up.
	maxCandidates = 1000
	// maxMatches is how many it reads for one filter, if that are too many.
	maxMatches = 64
	// maxRecent is how many documents are the newest ones of a collection. Of a value that very many
	// documents have, they hold the one that an upsert means.
	maxRecent = 1000
	// maxStaged bounds the size of the documents that one look-up stages.
	maxStaged = 32 << 20
)

// filtered returns the upserts by filter of some transactions, by collection.
func filtered(txs []backends.Tx) map[protocol.Ref][]*backends.Write {
	all := map[protocol.Ref][]*backends.Write{}
	for i := range txs {
		for j := range txs[i].Writes {
			if w := &txs[i].Writes[j]; driverkit.ByFilter(w) {
				collection := protocol.Ref{Scope: txs[i].Scope, Collection: w.Collection}
				all[collection] = append(all[collection], w)
			}
		}
	}
	return all
}

// lock writes the lock documents of the collections.
func (g *group) lock(ctx context.Context) error {
	var names []string
	for collection := range g.filtered {
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
	for collection, all := range g.filtered {
		var searched, rest []*backends.Write
		byField := map[string][]*backends.Write{}
		for _, w := range all {
			l, ok := leafOf(w.Filter)
			switch {
			case g.searches[w] != nil:
				searched = append(searched, w)
			case ok:
				byField[l.field] = append(byField[l.field], w)
			default:
				rest = append(rest, w)
			}
		}
		err := g.loadSearched(ctx, collection, searched)
		for field, writes := range byField {
			if err == nil {
				err = g.loadCandidates(ctx, scan{within: collection, field: field}, writes)
			}
		}
		if err == nil {
			err = g.loadCandidates(ctx, scan{within: collection}, rest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scan is what the worker reads of a collection for some filters.
type scan struct {
	within protocol.Ref
	field  string // whose index serves the look-up, if it is there; otherwise the collection is small
	times  bson.D // reads only documents of these times, by the index of lists
	max    int    // documents
}

// hint is the index that must serve a look-up, nil if it may read the whole collection.
func (s *scan) hint(f *fields) any {
	switch {
	case s.times != nil:
		return documentIndexes[0].Keys
	case s.field != "" && f.ready(s.field):
		return indexPrefix + s.field
	}
	return nil
}

// loadCandidates stages the documents that the filters match. If those that share the look-up are
// too many, it looks up one filter after the other, and then among the newest documents.
func (g *group) loadCandidates(ctx context.Context, s scan, writes []*backends.Write) error {
	if len(writes) == 0 {
		return nil
	}
	s.max = maxCandidates
	if all, err := g.lookUp(ctx, s, writes); err != nil || all {
		return err
	}
	var common []*backends.Write
	s.max = maxMatches
	for _, w := range writes {
		all, err := g.lookUp(ctx, s, []*backends.Write{w})
		if err != nil {
			return err
		}
		if !all {
			common = append(common, w)
		}
	}
	if len(common) == 0 {
		return nil
	}
	return g.loadRecent(ctx, s.within, common)
}

// loadRecent stages the documents that the filters match among the newest ones of the collection.
func (g *group) loadRecent(ctx context.Context, collection protocol.Ref, writes []*backends.Write) error {
	byTime := options.FindOne().SetSort(bson.D{{Key: "updatedAt", Value: -1}}).SetSkip(maxRecent).
		SetProjection(bson.D{{Key: "updatedAt", Value: 1}})
	oldest, err := g.backend.docs.FindOne(ctx, within(collection.Scope, collection.Collection), byTime).Raw()
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return err
	}
	passed := &protocol.Document{Updated: date(oldest, "updatedAt")}
	newer := bson.D{{Key: "updatedAt", Value: bson.D{{Key: "$gt", Value: passed.Updated}}}}
	all, err := g.lookUp(ctx, scan{within: collection, times: newer, max: maxRecent}, writes)
	if !all {
		passed = everything
	}
	for _, w := range writes {
		g.passed[w] = passed
	}
	return err
}

// lookUp stages the documents that a filter matches. all is false if there are more than s.max
// candidates, or they are too large, and then it reads no more. Of many filters it does not ask each
// about each candidate: that an upsert means what it matches is verified later.
func (g *group) lookUp(ctx context.Context, s scan, writes []*backends.Write) (all bool, err error) {
	filter := append(within(s.within.Scope, s.within.Collection), anyOf(writes))
	o := options.Find().SetLimit(int64(s.max) + 1)
	if hint := s.hint(g.backend.fields); hint != nil {
		o.SetHint(hint)
	}
	found, err := g.backend.docs.Find(ctx, append(filter, s.times...), o)
	if hasCode(err, codesHint...) { // the index is gone
		g.backend.fields.settle(s.field, false, false)
		return false, driverkit.ErrSearchFirst
	}
	if err != nil {
		return false, err
	}
	defer closeCursor(ctx, found)
	n, bytes := 0, 0
	for ; n <= s.max && bytes <= maxStaged && found.Next(ctx); n++ {
		d, ok := g.backend.read(found.Current)
		if !ok || d.doc == nil || g.staged.Docs[d.ref] != nil {
			continue
		}
		matches := func(w *backends.Write) bool { return w.Filter.Matches(d.doc) }
		if len(writes) > maxMatches || slices.ContainsFunc(writes, matches) {
			g.stage(d.clone())
			bytes += len(d.raw)
		}
	}
	return n <= s.max && bytes <= maxStaged, found.Err()
}

// newest returns the document that an upsert by filter means, nil if there is none. ok is false if
// that is not known: a write before it has changed the one that was found, or none was.
func (g *group) newest(tx *backends.Tx, w *backends.Write) (found *protocol.Document, ok bool) {
	found = g.staged.Newest(tx, w)
	passed := g.passed[w]
	return found, passed == nil || found != nil && !backends.Before(passed, found)
}
