package mongodb

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (page backends.Page, err error) {
	var after *backends.Position
	if q.After != "" {
		position, err := backends.ParsePosition(q.After)
		if err != nil {
			return page, err
		}
		after = &position
	}
	at, err := b.snapshot(ctx, "list", q.NotBefore, func(ctx context.Context) error {
		l := listing{b: b, scope: s, query: q, after: after}
		if err := l.dated(ctx); err != nil {
			return err
		}
		if err := l.undated(ctx); err != nil {
			return err
		}
		page = l.page
		return nil
	})
	if err != nil {
		return backends.Page{}, err
	}
	page.Cursor = at
	return page, nil
}

// listing is one List. The index gives documents by time; those of one millisecond, which lists have by id, are gathered
// and sorted here, for _id is not always the id.
type listing struct {
	b     *Backend
	scope protocol.Scope
	query backends.Query
	after *backends.Position
	page  backends.Page
	size  int
	full  bool
	same  []protocol.Document // of one time, not in the page yet
}

// firstBatch is how many documents the server sends before anybody knows how many are wanted.
const firstBatch = 101

// dated reads the documents whose updatedAt is a date, newest first.
func (l *listing) dated(ctx context.Context) error {
	when := bson.D{{Key: "$type", Value: "date"}}
	if l.after != nil {
		when = bson.D{{Key: "$lte", Value: l.after.Updated}} // of a date; it excludes other types
	}
	return l.each(ctx, when, options.Find().SetSort(bson.D{{Key: "updatedAt", Value: -1}}))
}

// undated reads those that other programs have given none: they come last, all of one time.
func (l *listing) undated(ctx context.Context) error {
	if l.full {
		return nil
	}
	return l.each(ctx, bson.D{{Key: "$not", Value: bson.D{{Key: "$type", Value: "date"}}}}, options.Find())
}

func (l *listing) each(ctx context.Context, when bson.D, o *options.FindOptionsBuilder) error {
	if l.query.Limit > 0 {
		o.SetBatchSize(int32(min(l.query.Limit+1, firstBatch)))
	}
	found, err := l.b.docs.Find(ctx, append(within(l.scope, l.query.Collection), bson.E{Key: "updatedAt", Value: when}), o)
	if err != nil {
		return err
	}
	defer leave(ctx, found)
	for !l.full && found.Next(ctx) {
		s, ok := l.b.read(found.Current)
		if !ok || s.doc == nil || l.after != nil && !l.after.Precedes(s.doc) {
			continue
		}
		l.gather(s.doc)
	}
	l.flush()
	return found.Err()
}

// gather takes the next document of the server's order.
func (l *listing) gather(d *protocol.Document) {
	if len(l.same) > 0 && !l.same[0].Updated.Equal(d.Updated) {
		if l.flush(); l.full {
			return
		}
	}
	l.same = append(l.same, *d)
	if len(l.same) >= enough && l.bounded() {
		l.thin()
	}
}

// enough is how many documents of one time are gathered before those that cannot come into the page are dropped.
const enough = 4096

func (l *listing) bounded() bool { return l.query.Limit > 0 || l.query.MaxBytes > 0 }

// thin keeps of the gathered documents those that a page could hold, and one that tells that there are more.
func (l *listing) thin() {
	slices.SortFunc(l.same, byID)
	size := 0
	for i := range l.same {
		size += len(l.same[i].Data)
		if l.query.Limit > 0 && i > l.query.Limit || l.query.MaxBytes > 0 && size > l.query.MaxBytes && i > 0 {
			clear(l.same[i+1:])
			l.same = l.same[:i+1]
			return
		}
	}
}

func byID(a, b protocol.Document) int {
	if backends.Before(&a, &b) {
		return -1
	}
	return 1
}

// flush adds the gathered documents to the page until it is full.
func (l *listing) flush() {
	slices.SortFunc(l.same, byID)
	for i := range l.same {
		if l.add(&l.same[i]); l.full {
			break
		}
	}
	l.same = l.same[:0]
}

func (l *listing) add(doc *protocol.Document) {
	q, have := l.query, len(l.page.Docs)
	l.size += len(doc.Data)
	if have > 0 && (q.Limit > 0 && have >= q.Limit || q.MaxBytes > 0 && l.size > q.MaxBytes) {
		last := l.page.Docs[have-1]
		l.page.Next, l.full = backends.Position{Updated: last.Updated, ID: last.ID}.String(), true
		return
	}
	l.page.Docs = append(l.page.Docs, *doc)
}
