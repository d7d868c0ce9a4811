package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// entry is an entry of the ledger as it is stored. The zero time is stored as no field. Times are
// in nanoseconds, which dates do not have.
type entry struct {
	Kind    string
	Key     string
	Body    []byte
	When    *int64     `bson:"when,omitempty"`
	Until   *int64     `bson:"until,omitempty"`
	Expires *time.Time `bson:"expires,omitempty"` // when the server removes it
}

func (b *Backend) ledger() *mongo.Collection { return b.database.Collection(ledgerName) }

// named is a filter for one entry.
func named(kind, key string) bson.D {
	return bson.D{{Key: "kind", Value: kind}, {Key: "key", Value: key}}
}

// expired is a condition for entries that have expired.
func expired() bson.E {
	return bson.E{Key: "until", Value: bson.D{{Key: "$lte", Value: time.Now().UnixNano()}}}
}

// Put implements [backends.Ledger].
func (b *Backend) Put(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	return b.do(ctx, "put", func(ctx context.Context) error {
		if e.Kind == backends.AuditKind {
			return b.putAudit(ctx, e, ifAbsent)
		}
		if !ifAbsent {
			return b.put(ctx, e)
		}
		// Without an expired entry this inserts, which fails if there is an entry.
		filter := append(named(e.Kind, e.Key), expired())
		_, err := b.ledger().ReplaceOne(ctx, filter, rowOf(e), options.Replace().SetUpsert(true))
		if mongo.IsDuplicateKeyError(err) {
			return driverkit.ErrEntryExists(e.Key)
		}
		return err
	})
}

func (b *Backend) put(ctx context.Context, e backends.Entry) error {
	_, err := b.ledger().ReplaceOne(ctx, named(e.Kind, e.Key), rowOf(e), options.Replace().SetUpsert(true))
	return err
}

// Take implements [backends.Ledger].
func (b *Backend) Take(ctx context.Context, kind, key string) (e backends.Entry, err error) {
	err = b.do(ctx, "take", func(ctx context.Context) (err error) {
		if kind == backends.AuditKind {
			e, err = b.takeAudit(ctx, key)
			return err
		}
		var row entry
		err = b.ledger().FindOneAndDelete(ctx, named(kind, key)).Decode(&row)
		expired := row.Until != nil && *row.Until <= time.Now().UnixNano()
		if errors.Is(err, mongo.ErrNoDocuments) || err == nil && expired {
			return driverkit.ErrNoEntry(key)
		}
		e = row.entry()
		return err
	})
	if err != nil {
		return backends.Entry{}, err
	}
	return e, nil
}

// Find implements [backends.Ledger].
func (b *Backend) Find(
	ctx context.Context, kind, prefix, after string, limit int,
) (entries []backends.Entry, err error) {
	if kind == backends.AuditKind {
		return b.findAudit(ctx, prefix, after, 1, limit)
	}
	bounds := bson.D{{Key: "$gte", Value: prefix}, {Key: "$gt", Value: after}}
	if end, ok := driverkit.Successor(prefix); ok {
		bounds = append(bounds, bson.E{Key: "$lt", Value: end})
	}
	return b.findEntries(ctx, kind, bounds, 1, limit)
}

// FindLast implements [backends.Ledger].
func (b *Backend) FindLast(
	ctx context.Context, kind, prefix, before string, limit int,
) (entries []backends.Entry, err error) {
	if kind == backends.AuditKind {
		return b.findAudit(ctx, prefix, before, -1, limit)
	}
	bounds := bson.D{{Key: "$gte", Value: prefix}}
	if end, bounded := driverkit.End(prefix, before); bounded {
		bounds = append(bounds, bson.E{Key: "$lt", Value: end})
	}
	return b.findEntries(ctx, kind, bounds, -1, limit)
}

// findEntries reads the entries whose keys are within bounds, in a direction.
func (b *Backend) findEntries(
	ctx context.Context, kind string, bounds bson.D, direction, limit int,
) (entries []backends.Entry, err error) {
	if limit <= 0 { // the server would take it for no limit
		return nil, nil
	}
	filter := bson.D{
		{Key: "kind", Value: kind}, {Key: "key", Value: bounds}, {Key: "$nor", Value: bson.A{bson.D{expired()}}},
	}
	byKey := options.Find().SetSort(bson.D{{Key: "key", Value: direction}}).SetLimit(int64(limit))
	err = b.do(ctx, "find", func(ctx context.Context) error {
		found, err := b.ledger().Find(ctx, filter, byKey)
		if err != nil {
			return err
		}
		var rows []entry
		if err := found.All(ctx, &rows); err != nil {
			return err
		}
		for i := range rows {
			entries = append(entries, rows[i].entry())
		}
		return nil
	})
	return entries, err
}

func rowOf(e backends.Entry) entry {
	row := entry{Kind: e.Kind, Key: e.Key, Body: e.Body, When: nanos(e.At), Until: nanos(e.Expires)}
	if row.Body == nil {
		row.Body = []byte{}
	}
	if !e.Expires.IsZero() {
		row.Expires = &e.Expires
	}
	return row
}

func (e *entry) entry() backends.Entry {
	return backends.Entry{Kind: e.Kind, Key: e.Key, Body: e.Body, At: moment(e.When), Expires: moment(e.Until)}
}

func nanos(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixNano()
	return &n
}

func moment(nanos *int64) time.Time {
	if nanos == nil {
		return time.Time{}
	}
	return time.Unix(0, *nanos).UTC()
}
