package mongodb_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// rollOplog writes elsewhere until the server has removed the oldest part of the oplog.
func (s *fixture) rollOplog() {
	s.Helper()
	client := s.docs.Database().Client()
	first := func() (at bson.Timestamp) {
		var entry struct {
			At bson.Timestamp `bson:"ts"`
		}
		require.NoError(s, client.Database("local").Collection("oplog.rs").FindOne(s.Context(), bson.D{},
			options.FindOne().SetSort(bson.D{{Key: "$natural", Value: 1}})).Decode(&entry))
		return entry.At
	}
	start := bson.Timestamp{T: uint32(time.Now().Unix()) + 1}
	other := s.docs.Database().Collection("other")
	for n := 0; !first().After(start); n++ {
		require.Less(s, n, 2000, "the oplog does not roll over")
		_, err := other.InsertOne(s.Context(), bson.D{{Key: "padding", Value: make([]byte, 1<<20)}})
		require.NoError(s, err)
	}
	require.NoError(s, other.Drop(s.Context()))
}

// TestHistoryLost: cursors from before the oplog begins are void. A feed that was read all the time
// has lost nothing, even if its collection was idle for longer. A feed that was not read says that
// it has lost everything, or has lost nothing.
func TestHistoryLost(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Start(t, "--oplogSize", "16", "--syncdelay", "1").URL("apps"), nil)
	_, err := s.docs.InsertOne(t.Context(), foreign("a", bson.D{}))
	require.NoError(t, err)
	old, read, unread := s.now(), s.watch(), s.watch()
	ctx, cancel := context.WithCancel(t.Context())
	lost := make(chan bool)
	go func() { // it reads until the test closes the feed
		any := false
		for {
			batch, err := read.Next(ctx)
			if ctx.Err() != nil {
				lost <- any
				return
			}
			any = any || err != nil || batch.LostAll
		}
	}()
	s.rollOplog()
	cancel()
	require.False(t, <-lost)
	s.requireReady(read)
	s.requireExpired(old)
	_, _, err = s.b.Gone(t.Context(), testScope, nil, 10)
	require.NoError(t, err)

	for lost, end := false, s.now(); !lost; { // or it had read ahead, far enough to have lost nothing
		if unread.Cursor().Reached(end) {
			break
		}
		batch, err := unread.Next(t.Context())
		if err != nil {
			s.requireExpired(unread.Cursor())
			break
		}
		lost = batch.LostAll
	}
	fresh := s.now()
	_, err = s.b.Cursor(t.Context(), fresh.Append(nil))
	require.NoError(t, err)
	require.Empty(t, s.since(fresh).Changes)
	f, err := s.b.Watch(t.Context(), fresh)
	require.NoError(t, err)
	defer f.Close()
	s.requireReady(f)
}
