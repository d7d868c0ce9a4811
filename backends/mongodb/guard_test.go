package mongodb_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// await waits until something holds of a database.
func await(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	require.Eventually(t, func() bool { return holds(t.Context()) }, time.Minute, 10*time.Millisecond, what)
}

// refuses reports whether a backend refuses reads and says what to do.
func (s *fixture) refuses(ctx context.Context) bool {
	_, _, err := s.b.Get(ctx, in("none"), nil)
	return protocol.CodeOf(err) == protocol.CodeUnavailable && strings.Contains(err.Error(), "secondgate check")
}

// serves reports whether a backend answers reads and writes.
func (s *fixture) serves(ctx context.Context) bool {
	_, _, err := s.b.Get(ctx, in("none"), nil)
	if err != nil {
		return false
	}
	_, err = backends.WriteOne(ctx, s.b, backends.Tx{Scope: testScope, At: time.Now(), Writes: []backends.Write{
		{Op: backends.Upsert, Collection: "c", ID: "probe", Data: []byte(`{}`)},
	}})
	return err == nil
}

// TestImagesAreSwitchedOnAgain although no change has missed them yet.
func TestImagesAreSwitchedOnAgain(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Database(t), nil)
	f := s.watch()
	require.NoError(t, switchImages(t.Context(), s.docs, false))
	await(t, "images are on again", func(ctx context.Context) bool {
		found, err := s.docs.Database().ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: "app_data"}})
		require.NoError(t, err)
		on, _ := found[0].Options.Lookup("changeStreamPreAndPostImages", "enabled").BooleanOK()
		return on
	})
	_, err := s.docs.InsertOne(t.Context(), foreign("a", bson.D{}))
	require.NoError(t, err)
	_, err = s.docs.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: "a"}})
	require.NoError(t, err)
	require.False(t, s.changesNow(f).LostAll)
}

// TestEntriesStayUnique: without its unique index the ledger would take one ticket twice. While it
// cannot be made, requests are refused, and serve does not start.
func TestEntriesStayUnique(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Database(t), nil)
	ledger := s.docs.Database().Collection("app_data_ledger")
	unique := func(ctx context.Context) bool {
		exist, err := ledger.Indexes().ListSpecifications(ctx)
		require.NoError(t, err)
		for _, index := range exist {
			if index.Unique != nil && *index.Unique {
				return true
			}
		}
		return false
	}
	require.NoError(t, ledger.Indexes().DropAll(t.Context()))
	await(t, "the index is made again", unique)

	require.NoError(t, ledger.Indexes().DropAll(t.Context()))
	twice := []any{bson.D{{Key: "kind", Value: "k"}, {Key: "key", Value: "k"}},
		bson.D{{Key: "kind", Value: "k"}, {Key: "key", Value: "k"}}}
	for { // the gateway may make the index first
		if _, err := ledger.InsertMany(t.Context(), twice, options.InsertMany().SetOrdered(false)); err == nil {
			break
		}
		_, err := ledger.DeleteMany(t.Context(), bson.D{})
		require.NoError(t, err)
		require.NoError(t, ledger.Indexes().DropAll(t.Context()))
	}
	await(t, "requests are refused", s.refuses)
	_, err := mongodb.Open(t.Context(), mongodb.Options{URL: s.url})
	require.Error(t, err)
	requireFinding(t, s.url, "app_data_ledger has no unique index")
	_, err = ledger.DeleteOne(t.Context(), bson.D{{Key: "kind", Value: "k"}})
	require.NoError(t, err)
	await(t, "requests are served again", s.serves)
	require.True(t, unique(t.Context()))
}

// TestViewInPlaceOfTheCollection: a view takes no writes and has no change stream.
func TestViewInPlaceOfTheCollection(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Database(t), func(c *mongo.Collection) {
		_, err := c.InsertOne(t.Context(), foreign("a", bson.D{}))
		require.NoError(t, err)
	})
	require.NoError(t, rename(t.Context(), s.docs, "app_data", "moved"))
	for { // the gateway may make the collection first
		err := s.docs.Database().CreateView(t.Context(), "app_data", "moved", bson.A{})
		if err == nil {
			break
		}
		require.NoError(t, s.docs.Drop(t.Context()))
	}
	await(t, "requests are refused", s.refuses)
	_, err := mongodb.Open(t.Context(), mongodb.Options{URL: s.url})
	require.ErrorContains(t, err, "app_data is a view")
	requireFinding(t, s.url, "app_data is a view")
	require.NoError(t, s.docs.Drop(t.Context()))
	await(t, "the collection has its name again", func(ctx context.Context) bool {
		return rename(ctx, s.docs, "moved", "app_data") == nil
	})
	await(t, "requests are served again", s.serves)
	f := s.watch()
	s.requireReady(f)
	require.NotNil(t, s.get("a"))
}

// requireFinding wants check to find something and to name the mend. It asks again: MongoDB lists an
// index that a gateway tries to build at that moment.
func requireFinding(t *testing.T, url, what string) {
	t.Helper()
	await(t, "check finds: "+what, func(ctx context.Context) bool {
		return slices.ContainsFunc(mongodb.Check(ctx, url), func(f backends.Finding) bool {
			return f.Level == "fail" && strings.Contains(f.What, what) && f.Fix != ""
		})
	})
}
