package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	p, err := driverkit.NewPageBuilder(q)
	if err != nil {
		return backends.Page{}, err
	}
	l := listing{PageBuilder: p, backend: b, scope: s, query: q}
	at, err := b.snapshot(ctx, "list", q.NotBefore, func(ctx context.Context) error {
		l.Reset(nil)
		l.sameTime = nil
		if err := l.dated(ctx); err != nil {
			return err
		}
		return l.undated(ctx)
	})
	if err != nil {
		return backends.Page{}, err
	}
	p.Page.Cursor = at
	return p.Page, nil
}

// listing is one call of List. The index yields documents by time. A list has documents of one
// millisecond by id, and _id is not always the id; so the listing collects them and sorts them
// here.
type listing struct {
	*driverkit.PageBuilder
	backend  *Backend
	scope    protocol.Scope
	query    backends.Query
	sameTime []protocol.Document // collected, not in the page yet
}

// firstBatch is how many documents the server sends at first, unless fewer are wanted.
const firstBatch = 101

// dated reads the documents whose updatedAt is a date, newest first.
func (l *listing) dated(ctx context.Context) error {
	when := bson.D{{Key: "$type", Value: "date"}}
	if after := l.After(); after != nil {
		when = bson.D{{Key: "$lte", Value: after.Updated}} // this excludes other types
	}
	return l.each(ctx, when, options.Find().SetSort(bson.D{{Key: "updatedAt", Value: -1}}))
}

// undated reads the documents that other programs have given no date. They are last, all of one
// time.
func (l *listing) undated(ctx context.Context) error {
	if l.Full {
		return nil
	}
	noDate := bson.D{{Key: "$not", Value: bson.D{{Key: "$type", Value: "date"}}}}
	return l.each(ctx, noDate, options.Find())
}

func (l *listing) each(ctx context.Context, when bson.D, o *options.FindOptionsBuilder) error {
	if l.query.Limit > 0 {
		o.SetBatchSize(int32(min(l.query.Limit+1, firstBatch)))
	}
	filter := append(within(l.scope, l.query.Collection), bson.E{Key: "updatedAt", Value: when})
	filter = append(filter, conditionsOn(l.query.Only)...)
	found, err := l.backend.docs.Find(ctx, filter, o)
	if err != nil {
		return err
	}
	defer closeCursor(ctx, found)
	for !l.Full && found.Next(ctx) {
		s, ok := l.backend.read(found.Current)
		if !ok || s.doc == nil || l.After() != nil && !l.After().Precedes(s.doc) {
			continue
		}
		l.collect(s.doc)
	}
	l.flush()
	return found.Err()
}

// collect takes the next document in the server's order.
func (l *listing) collect(d *protocol.Document) {
	if len(l.sameTime) > 0 && !l.sameTime[0].Updated.Equal(d.Updated) {
		if l.flush(); l.Full {
			return
		}
	}
	l.sameTime = append(l.sameTime, *d)
	if len(l.sameTime) >= maxCollected && l.Bounded() {
		l.prune()
	}
}

// maxCollected is how many documents of one time are collected before those that cannot come into
// the page are dropped.
const maxCollected = 4096

// prune keeps the collected documents that the page could hold, and one more, which shows that the
// list goes on.
func (l *listing) prune() {
	driverkit.SortDocuments(l.sameTime)
	size := 0
	for i := range l.sameTime {
		size += len(l.sameTime[i].Data)
		if l.query.Limit > 0 && i > l.query.Limit || l.query.MaxBytes > 0 && size > l.query.MaxBytes && i > 0 {
			clear(l.sameTime[i+1:])
			l.sameTime = l.sameTime[:i+1]
			return
		}
	}
}

// flush adds the collected documents to the page until it is full.
func (l *listing) flush() {
	driverkit.SortDocuments(l.sameTime)
	for i := range l.sameTime {
		if l.Add(&l.sameTime[i]); l.Full {
			break
		}
	}
	l.sameTime = l.sameTime[:0]
}
