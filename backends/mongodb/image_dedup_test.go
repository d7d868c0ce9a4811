package mongodb_test

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// long makes a document of which the server logs only the difference.
var long = strings.Repeat("x", 300)

// doubling is an outside writer's update. The image that the server makes of it has a field twice.
var doubling = mongo.Pipeline{{{Key: "$set", Value: bson.D{{Key: "data",
	Value: bson.D{{Key: "$literal", Value: bson.D{
		{Key: "a", Value: long}, {Key: "n", Value: "y"}, {Key: "o", Value: bson.A{}}, {Key: "title", Value: false},
	}}}}}}}}

// TestImageWithNameTwice: the server's image of a document may be wrong. Then the feed says that
// the change is unknown, and returns nothing that is wrong.
func TestImageWithNameTwice(t *testing.T) {
	t.Parallel()
	address := mongodbtest.Database(t)
	b, err := mongodb.Open(t.Context(), mongodb.Options{URL: address, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	ref := protocol.Ref{Scope: protocol.Scope{Workspace: "w", App: "app"}, Collection: "notes", ID: "a"}
	_, err = backends.WriteOne(t.Context(), b, backends.Tx{Scope: ref.Scope, At: time.Now(),
		Writes: []backends.Write{
			{Op: backends.Insert, Collection: ref.Collection, ID: ref.ID,
				Data: []byte(`{"a":"` + long + `","o":[],"title":1}`)},
		}})
	require.NoError(t, err)
	_, from, err := b.Get(t.Context(), ref, nil)
	require.NoError(t, err)

	parsed, err := url.Parse(address)
	require.NoError(t, err)
	docs := mongodbtest.Client(t, address).Database(strings.Trim(parsed.Path, "/")).Collection("app_data")
	changed, err := docs.UpdateMany(t.Context(), bson.D{}, doubling)
	require.NoError(t, err)
	require.EqualValues(t, 1, changed.ModifiedCount)
	now, to, err := b.Get(t.Context(), ref, from)
	require.NoError(t, err)

	feed, err := b.Watch(t.Context(), from)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, feed.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	lost, shown := false, (*protocol.Document)(nil)
	for !feed.Cursor().Reached(to) {
		batch, err := feed.Next(ctx)
		require.NoError(t, err)
		lost = lost || batch.LostAll
		for _, c := range batch.Changes {
			shown = c.Doc
		}
	}
	require.True(t, lost || shown != nil && shown.Rev == now.Rev, "shown: %v", shown)

	batch, err := b.Since(t.Context(), ref.Scope, from, 0)
	require.NoError(t, err)
	require.True(t, len(batch.Lost) == 1 || batch.Changes[len(batch.Changes)-1].Doc.Rev == now.Rev, "since: %v",
		batch.Changes)
}
