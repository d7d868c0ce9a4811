package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// floorOf is the floor of the gateway on MongoDB: a plain collection with the same indexes, by the
// same driver.
type floorOf struct {
	client *mongo.Client
	docs   *mongo.Collection
}

func benchMongoDB(p *plan) error {
	if err := p.startMongoDB(); err != nil {
		return err
	}
	ctx := context.Background()
	floor, err := p.plainMongoDB()
	if err != nil {
		return err
	}
	defer func() { _ = floor.client.Disconnect(ctx) }()
	for _, part := range []func(context.Context, *plan, *floorOf) error{
		mongoWrites, mongoHot, mongoUpserts, mongoLatency,
	} {
		if err := part(ctx, p, floor); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) plainMongoDB() (*floorOf, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(p.mongodb).SetWriteConcern(writeconcern.Majority()))
	if err != nil {
		return nil, err
	}
	return &floorOf{client, client.Database("bench_plain").Collection("app_data")}, nil
}

// overMongoDB starts a server, unless the plan names one.
func (p *plan) overMongoDB() (*database, error) {
	if err := p.startMongoDB(); err != nil {
		return nil, err
	}
	return &database{
		name: "MongoDB",
		url: func(context.Context) (string, error) {
			return mongodbtest.Named(p.mongodb, fmt.Sprint("bench_", serial.Add(1))), nil
		},
		fresh: p.freshMongoDB,
		floor: func(ctx context.Context) (*floor, error) {
			plain, err := p.plainMongoDB()
			if err != nil {
				return nil, err
			}
			end := func() error { return plain.client.Disconnect(ctx) }
			if err := plain.reset(ctx); err != nil {
				return nil, errors.Join(err, end())
			}
			return &floor{"a  plain inserts by the driver, w:majority", plain.insert, end}, nil
		},
		rows: func(ctx context.Context, _ backends.Backend) (*rows, error) {
			client, err := mongo.Connect(options.Client().ApplyURI(p.mongodb))
			if err != nil {
				return nil, err
			}
			docs := client.Database("bench").Collection("app_data")
			return &rows{
				"the documents copied out of MongoDB by the driver",
				func() (int, error) { return copyMongoDB(ctx, docs) }, func() error { return client.Disconnect(ctx) },
			}, nil
		},
	}, nil
}

func copyMongoDB(ctx context.Context, docs *mongo.Collection) (bytes int, err error) {
	place := bson.D{
		{Key: "workspaceId", Value: scope.Workspace}, {Key: "appId", Value: scope.StoredApp()},
		{Key: "collection", Value: "c"},
	}
	found, err := docs.Find(
		ctx, place, options.Find().SetSort(bson.D{{Key: "updatedAt", Value: -1}, {Key: "_id", Value: 1}}),
	)
	if err != nil {
		return 0, err
	}
	var all []bson.Raw
	if err := found.All(ctx, &all); err != nil {
		return 0, err
	}
	for _, doc := range all {
		bytes += len(doc)
	}
	if len(all) != listed {
		err = fmt.Errorf("%d documents of %d", len(all), listed)
	}
	return bytes, err
}

// reset makes the plain collection anew.
func (f *floorOf) reset(ctx context.Context) error {
	if err := f.docs.Drop(ctx); err != nil {
		return err
	}
	place := bson.D{{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1}}
	_, err := f.docs.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{
			Keys: append(slices.Clone(place), bson.E{Key: "updatedAt", Value: -1}),
		}, {Keys: append(place, bson.E{Key: "_id", Value: 1})},
	})
	return err
}

func (f *floorOf) insert(ctx context.Context, n int64) error {
	var data bson.D
	if err := bson.UnmarshalExtJSON([]byte(document(n)), false, &data); err != nil {
		return err
	}
	now := time.Now()
	_, err := f.docs.InsertOne(ctx, bson.D{
		{
			Key: "_id", Value: protocol.NewID(now),
		}, {Key: "workspaceId", Value: "bench"}, {Key: "appId", Value: "bench"},
		{
			Key: "collection", Value: "c",
		}, {Key: "data", Value: data}, {Key: "createdAt", Value: now}, {Key: "updatedAt", Value: now},
	})
	return err
}

// freshMongoDB opens a database that is made anew.
func (p *plan) freshMongoDB(ctx context.Context) (backends.Backend, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(p.mongodb))
	if err != nil {
		return nil, err
	}
	err = client.Database("bench").Drop(ctx)
	if err = errors.Join(err, client.Disconnect(ctx)); err != nil {
		return nil, err
	}
	return mongodb.Open(
		ctx, mongodb.Options{URL: mongodbtest.Named(p.mongodb, "bench"), Log: slog.New(slog.DiscardHandler)},
	)
}

func mongoWrites(ctx context.Context, p *plan, floor *floorOf) error {
	for _, least := range []struct {
		callers int
		goal    float64
	}{{16, 0.85}, {32, 1}} {
		q := *p
		q.callers = least.callers
		if err := floor.reset(ctx); err != nil {
			return err
		}
		backend, err := p.freshMongoDB(ctx)
		if err != nil {
			return err
		}
		stopFeed, err := drainFeed(ctx, backend)
		if err != nil {
			return err
		}
		var plain, without, with rate
		err = p.interleave(
			func() error {
				return plain.measure(&q, own, func(_ int, n int64) error { return floor.insert(ctx, n) })
			},
			func() error {
				return without.measure(&q, own, func(_ int, n int64) error { return insertAs(ctx, backend, n, "") })
			},
			func() error {
				return with.measure(&q, own, func(_ int, n int64) error { return insert(ctx, backend, n) })
			},
		)
		stopFeed()
		if err := errors.Join(err, backend.Close()); err != nil {
			return err
		}
		fmt.Printf(
			"MongoDB, %d callers: writes of 300 bytes                       writes/s               CPU µs/write "+
				"(client)\n",
			q.callers,
		)
		for _, row := range []struct {
			name string
			r    rate
		}{
			{"a  plain inserts by the driver, w:majority", plain},
			{"Backend.Write without mutationId, feed on", without}, {"Backend.Write with mutationId, feed on", with},
		} {
			fmt.Printf("  %-56s %-22s %s\n", row.name, row.r.perSecond, row.r.cpu)
		}
		fmt.Printf("  %-58s %s\n", "writes/s without mutationId / a", without.perSecond.over(plain.perSecond))
		goal("writes/s with mutationId / a", with.perSecond.over(plain.perSecond), false, least.goal)
		fmt.Println()
	}
	return nil
}

// mongoHot has all callers change one document.
func mongoHot(ctx context.Context, p *plan, floor *floorOf) error {
	b, err := p.freshMongoDB(ctx)
	if err != nil {
		return err
	}
	if _, err := floor.docs.InsertOne(
		ctx, bson.D{{Key: "_id", Value: "hot"}, {Key: "data", Value: bson.D{}}},
	); err != nil {
		return err
	}
	now := protocol.Millis(time.Now())
	hot := protocol.NewID(now)
	tx := backends.Tx{
		Scope: scope, At: now,
		Writes: []backends.Write{{Op: backends.Insert, Collection: "c", ID: hot, Data: []byte("{}")}},
	}
	if _, err := backends.WriteOne(ctx, b, tx); err != nil {
		return err
	}
	var plain, ours rate
	err = p.interleave(
		func() error {
			return plain.measure(p, own, func(_ int, n int64) error {
				change := bson.D{
					{Key: "$set", Value: bson.D{{Key: "data.n", Value: n}, {Key: "updatedAt", Value: time.Now()}}},
				}
				return floor.docs.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: "hot"}}, change).Err()
			})
		},
		func() error {
			return ours.measure(p, own, func(_ int, n int64) error {
				w := backends.Write{Op: backends.Update, Collection: "c", ID: hot, Data: fmt.Appendf(nil, `{"n":%d}`, n)}
				_, err := backends.WriteOne(
					ctx,
					b,
					backends.Tx{
						Scope: scope, At: protocol.Millis(time.Now()), Mutation: fmt.Sprint("h", n),
						Writes: []backends.Write{w},
					},
				)
				return err
			})
		},
	)
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	fmt.Printf(
		"MongoDB, %d callers change one document                         writes/s\n  %-56s %s\n  %-56s %s\n",
		p.callers, "findOneAndUpdate by the driver, w:majority", plain.perSecond, "Backend.Write with mutationId",
		ours.perSecond,
	)
	goal("Backend.Write / findOneAndUpdate", ours.perSecond.over(plain.perSecond), false, 0.8)
	fmt.Println()
	return nil
}

// mongoUpserts writes 10,000 documents of new keys into a collection of 10,000.
func mongoUpserts(ctx context.Context, p *plan, _ *floorOf) error {
	var inserts, upserts series
	err := p.interleave(
		func() error { return p.tenThousand(ctx, &inserts, p.freshMongoDB, insertKey) },
		func() error { return p.tenThousand(ctx, &upserts, p.freshMongoDB, upsertKey) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("%d documents of new keys into a collection of %d, MongoDB      seconds\n", listed, listed)
	fmt.Printf("  %-56s %s\n  %-56s %s\n", "inserts", inserts, "upserts by one field", upserts)
	goal("upserts / inserts", upserts.over(inserts), true, 3)
	fmt.Println()
	return nil
}

// mongoLatency writes 100 documents a second and measures when a change stream, or the feed,
// delivers each.
func mongoLatency(ctx context.Context, p *plan, floor *floorOf) error {
	b, err := p.freshMongoDB(ctx)
	if err != nil {
		return err
	}
	feed, err := b.Watch(ctx, nil)
	if err != nil {
		return err
	}
	bare, err := floor.docs.Watch(ctx, mongo.Pipeline{})
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	told, seen := make(chan time.Time, 1), make(chan time.Time, 1)
	go func() { // ends with the feed
		for batch, err := feed.Next(inner); err == nil; batch, err = feed.Next(inner) {
			if len(batch.Changes) > 0 {
				told <- time.Now()
			}
		}
	}()
	go func() { // ends with its stream
		for bare.Next(inner) {
			seen <- time.Now()
		}
	}()
	var plain, without, with series
	measure := func(s *series, arrived chan time.Time, write func(n int64) error) func() error {
		return func() error {
			var took series
			for range 100 {
				begun := time.Now()
				if err := write(serial.Add(1)); err != nil {
					return err
				}
				took = append(took, (<-arrived).Sub(begun).Seconds()*1000)
				time.Sleep(time.Until(begun.Add(10 * time.Millisecond)))
			}
			*s = append(*s, took.median())
			return nil
		}
	}
	err = p.interleave(
		measure(&plain, seen, func(n int64) error { return floor.insert(ctx, n) }),
		measure(&without, told, func(n int64) error { return insertAs(ctx, b, n, "") }),
		measure(&with, told, func(n int64) error { return insert(ctx, b, n) }),
	)
	cancel()
	if err := errors.Join(err, feed.Close(), b.Close()); err != nil {
		return err
	}
	fmt.Printf(
		"MongoDB, 100 writes a second, write -> change, p50            ms\n  %-56s %s\n  %-56s %s\n  %-56s %s\n",
		"a  plain insert and a bare change stream", plain, "Backend.Write without mutationId, feed", without,
		"Backend.Write with mutationId, feed", with,
	)
	goal("without mutationId / a", without.over(plain), true, 1.2)
	goal("with mutationId / a", with.over(plain), true, 1.8)
	fmt.Println()
	return nil
}
