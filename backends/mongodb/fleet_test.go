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

// fleet checks a cursor as so many clients that come back at once do.
func (s *served) fleet(n int, raw []byte) error {
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

// TestFleetSharesReads: clients that come back at once do not cost the server a read each.
func TestFleetSharesReads(t *testing.T) {
	t.Parallel()
	s := serving(t, mongodbtest.Database(t), nil)
	old := s.now()
	_, err := s.docs.InsertOne(t.Context(), foreign("a", bson.D{}))
	require.NoError(t, err)
	db := s.docs.Database()
	require.NoError(t, db.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 2}}).Err())
	require.NoError(t, s.fleet(500, old.Append(nil)))
	require.NoError(t, db.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 0}}).Err())
	asked, err := db.Collection("system.profile").CountDocuments(t.Context(), bson.D{{Key: "ns", Value: db.Name() + ".app_data"}})
	require.NoError(t, err)
	require.Positive(t, asked)
	require.Less(t, asked, int64(100), "operations for 500 cursors")
}

// TestSharedReadsAreNew: what is shared began after it was asked for, so that a cursor expires at
// once although others are checking theirs.
func TestSharedReadsAreNew(t *testing.T) {
	t.Parallel()
	s := serving(t, mongodbtest.Database(t), nil)
	another := s.open()
	ctx, stop := context.WithCancel(t.Context())
	first := s.now().Append(nil)
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for range 8 {
		others.Go(func() {
			for ctx.Err() == nil {
				_, _ = s.b.Cursor(ctx, first) // which is good until it is trimmed
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
