package mongodb_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// requireReady requires that the collection is as the gateway makes it, and that the feed returns
// what is written to it.
func (s *fixture) requireReady(f backends.Feed) {
	s.Helper()
	db := s.docs.Database()
	found, err := db.ListCollectionSpecifications(s.Context(), bson.D{{Key: "name", Value: "app_data"}})
	require.NoError(s, err)
	require.Len(s, found, 1)
	require.True(s, found[0].Options.Lookup("changeStreamPreAndPostImages", "enabled").Boolean())
	for name, n := range map[string]int{"app_data": 3, "app_data_mutations": 2, "app_data_ledger": 3} {
		indexes, err := db.Collection(name).Indexes().ListSpecifications(s.Context())
		require.NoError(s, err)
		require.Len(s, indexes, n, name)
	}
	tells := func(want string) {
		s.Helper()
		batch := s.changesNow(f)
		require.False(s, batch.LostAll)
		require.Equal(s, want, summary(batch.Changes))
	}
	_, err = s.docs.InsertOne(s.Context(), foreign("afterwards", bson.D{}))
	require.NoError(s, err)
	tells(`c/afterwards:insert{}`)
	_, err = s.write(rand.Text(), backends.Write{Op: backends.Update, ID: "afterwards", Data: []byte(`{"n":1}`)})
	require.NoError(s, err)
	tells(`c/afterwards:update{"n":1}`)
	_, err = s.docs.DeleteOne(s.Context(), bson.D{{Key: "_id", Value: "afterwards"}})
	require.NoError(s, err)
	tells(`c/afterwards:delete`)
}

// requireExpired requires that a cursor has expired.
func (s *fixture) requireExpired(old backends.Cursor) {
	s.Helper()
	require.Eventually(s, func() bool { // an answer about the oplog is used for a second
		_, err := s.b.Cursor(s.Context(), old.Append(nil))
		return errors.Is(err, backends.ErrCursor)
	}, 5*time.Second, 50*time.Millisecond)
	_, err := s.b.Since(s.Context(), testScope, old, 0)
	require.ErrorIs(s, err, backends.ErrCursor)
	_, err = s.b.Watch(s.Context(), old)
	require.ErrorIs(s, err, backends.ErrCursor)
}

// TestCollectionFaults: whatever happens to the collection, an open feed says that everything is
// lost and goes on with the collection that exists then, which gets its indexes and images.
func TestCollectionFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		do   func(context.Context, *mongo.Collection) error
		docs int  // documents that exist afterwards
		stay bool // cursors stay valid
	}{
		{"dropped", func(ctx context.Context, c *mongo.Collection) error { return c.Drop(ctx) }, 0, false},
		{"renamed", func(ctx context.Context, c *mongo.Collection) error {
			return rename(ctx, c, "app_data",
				"away")
		}, 0, false},
		{"the database dropped", func(ctx context.Context,
			c *mongo.Collection) error {
			return c.Database().Drop(ctx)
		}, 0, false},
		{"dropped and made by an insert", func(ctx context.Context, c *mongo.Collection) error {
			if err := c.Drop(ctx); err != nil {
				return err
			}
			_, err := c.InsertOne(ctx, foreign("z", bson.D{}))
			return err
		}, 1, false},
		{"another renamed to it", func(ctx context.Context, c *mongo.Collection) error {
			if _, err := c.Database().Collection("other").InsertOne(ctx, foreign("z", bson.D{})); err != nil {
				return err
			}
			return rename(ctx, c, "other", "app_data")
		}, 1, false},
		{"replaced by $out", func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.Aggregate(ctx, bson.A{bson.D{{Key: "$limit", Value: 1}},
				bson.D{{Key: "$out", Value: "app_data"}}})
			return err
		}, 1, false},
		{"images off, and a delete", func(ctx context.Context, c *mongo.Collection) error {
			if err := switchImages(ctx, c, false); err != nil {
				return err
			}
			_, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: "a"}})
			return err
		}, 1, true},
		{"images off, and an update", func(ctx context.Context, c *mongo.Collection) error {
			if err := switchImages(ctx, c, false); err != nil {
				return err
			}
			_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: "a"}},
				bson.D{{Key: "$set", Value: bson.D{{Key: "data.n", Value: 1}}}})
			return err
		}, 2, true},
		{"images off, a delete, and on again", func(ctx context.Context, c *mongo.Collection) error {
			if err := switchImages(ctx, c, false); err != nil {
				return err
			}
			if _, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: "a"}}); err != nil {
				return err
			}
			return switchImages(ctx, c, true)
		}, 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, mongodbtest.Database(t), func(c *mongo.Collection) {
				_, err := c.InsertMany(t.Context(), []any{foreign("a", bson.D{}), foreign("b", bson.D{})})
				require.NoError(t, err)
			})
			old, f := s.now(), s.watch()
			require.NoError(t, test.do(t.Context(), s.docs))
			require.True(t, s.lostAll(f))
			require.Len(t, s.list(), test.docs)
			s.requireReady(f)
			if !test.stay {
				s.requireExpired(old)
				return
			}
			_, err := s.b.Cursor(t.Context(), old.Append(nil))
			require.NoError(t, err)
			require.Equal(t, testScope, s.since(old).Lost[0])
			_, _, err = s.b.Gone(t.Context(), testScope, old, 10)
			require.ErrorIs(t, err, backends.ErrCursor)
		})
	}
}

// lostAll reads the feed until everything is lost. It returns false if the feed ends before.
func (s *fixture) lostAll(f backends.Feed) bool {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	for {
		batch, err := f.Next(ctx)
		require.NoError(s, err)
		if batch.LostAll {
			return true
		}
	}
}

func rename(ctx context.Context, c *mongo.Collection, from, to string) error {
	db := c.Database()
	return db.Client().Database("admin").RunCommand(ctx,
		bson.D{{Key: "renameCollection", Value: db.Name() + "." + from}, {Key: "to", Value: db.Name() + "." + to},
			{Key: "dropTarget", Value: true}}).Err()
}

func switchImages(ctx context.Context, c *mongo.Collection, on bool) error {
	return c.Database().RunCommand(ctx, bson.D{{Key: "collMod", Value: "app_data"},
		{Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: on}}}}).Err()
}
