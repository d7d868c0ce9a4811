package mongodb_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// fleet checks a cursor n times at once, as clients do that reconnect together.
func (s *fixture) fleet(n int, raw []byte) error {
	var all sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		all.Go(func() {
			_, err := s.b.Cursor(s.Context(), raw)
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	var joined error
	for err := range errs {
		joined = errors.Join(joined, err)
	}
	return joined
}

// TestFleetSharesReads: many clients that reconnect at once share reads of the server.
func TestFleetSharesReads(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Database(t), nil)
	old := s.now()
	_, err := s.docs.InsertOne(t.Context(), foreign("a", bson.D{}))
	require.NoError(t, err)
	db := s.docs.Database()
	require.NoError(t, db.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 2}}).Err())
	require.NoError(t, s.fleet(500, old.Append(nil)))
	require.NoError(t, db.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 0}}).Err())
	asked, err := db.Collection("system.profile").CountDocuments(t.Context(),
		bson.D{{Key: "ns", Value: db.Name() + ".app_data"}})
	require.NoError(t, err)
	require.Positive(t, asked)
	require.Less(t, asked, int64(100), "operations for 500 cursors")
}

// TestSharedReadsAreNew: a shared read begins after the call, so a cursor expires at once, even
// while others check theirs.
func TestSharedReadsAreNew(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Database(t), nil)
	another := s.open()
	ctx, stop := context.WithCancel(t.Context())
	first := s.now().Append(nil)
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for range 8 {
		others.Go(func() {
			for ctx.Err() == nil {
				_, _ = s.b.Cursor(ctx, first) // it is valid until it is trimmed
			}
		})
	}
	for n := range 40 {
		old := s.now()
		_, err := s.docs.InsertOne(t.Context(), foreign(n, bson.D{}))
		require.NoError(t, err)
		require.NoError(t, another.Trim(t.Context(), time.Now()))
		_, err = s.b.Cursor(t.Context(), old.Append(nil))
		require.ErrorIs(t, err, backends.ErrCursor, "cursor %d", n)
	}
}
