package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Get implements [backends.Backend].
func (b *Backend) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (doc *protocol.Document, _ backends.Cursor, err error) {
	at, err := b.snapshot(ctx, "get", notBefore, func(ctx context.Context) error {
		found, err := b.find(ctx, r)
		if doc = nil; found != nil {
			doc = found.doc
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return doc, at, nil
}

// find reads a document, nil if there is none. ctx may be that of a session.
func (b *Backend) find(ctx context.Context, r protocol.Ref) (*stored, error) {
	found, err := b.docs.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: possibleKeys(r)}}}})
	if err != nil {
		return nil, err
	}
	defer closeCursor(ctx, found)
	for found.Next(ctx) {
		if s, ok := b.read(found.Current); ok && s.ref == r {
			return &s, nil
		}
	}
	return nil, found.Err()
}

// Collections implements [backends.Backend]. Withheld documents count.
func (b *Backend) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (counts map[string]int, err error) {
	count := bson.D{{Key: "$sum", Value: 1}}
	_, err = b.snapshot(ctx, "count", notBefore, func(ctx context.Context) error {
		found, err := b.docs.Aggregate(ctx, bson.A{
			bson.D{{Key: "$match", Value: ofScope(s)}},
			bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$collection"}, {Key: "n", Value: count}}}},
		})
		if err != nil {
			return err
		}
		var groups []struct {
			Name bson.RawValue `bson:"_id"`
			N    int
		}
		if err := found.All(ctx, &groups); err != nil {
			return err
		}
		counts = map[string]int{}
		for _, g := range groups {
			if name, ok := g.Name.StringValueOK(); ok {
				counts[name] = g.N
			}
		}
		return nil
	})
	return counts, err
}

// Usage implements [backends.Backend]. Bytes are those of BSON.
func (b *Backend) Usage(ctx context.Context, s protocol.Scope) (u backends.Usage, err error) {
	size := bson.D{{Key: "$cond", Value: bson.A{ // another program may have stored no object
		bson.D{{Key: "$eq", Value: bson.A{bson.D{{Key: "$type", Value: "$data"}}, "object"}}},
		bson.D{{Key: "$bsonSize", Value: "$data"}}, 0,
	}}}
	_, err = b.snapshot(ctx, "usage", nil, func(ctx context.Context) error {
		found, err := b.docs.Aggregate(ctx, bson.A{
			bson.D{{Key: "$match", Value: ofScope(s)}},
			bson.D{{Key: "$group", Value: bson.D{
				{Key: "_id", Value: nil},
				{Key: "documents", Value: bson.D{{Key: "$sum", Value: 1}}},
				{Key: "bytes", Value: bson.D{{Key: "$sum", Value: size}}},
			}}},
		})
		if err != nil {
			return err
		}
		var all []backends.Usage
		if err := found.All(ctx, &all); err != nil {
			return err
		}
		if u = (backends.Usage{}); len(all) > 0 { // an empty scope has no group
			u = all[0]
		}
		return nil
	})
	return u, err
}
