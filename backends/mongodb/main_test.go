package mongodb_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func note(id string) protocol.Ref {
	return protocol.Ref{Scope: protocol.Scope{Workspace: "w", App: "app"}, Collection: "notes", ID: id}
}

func open(t *testing.T, url string) *mongodb.Backend {
	t.Helper()
	b, err := mongodb.Open(t.Context(), mongodb.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// outsider is app_data as another program opens it.
func outsider(t *testing.T, url string) *mongo.Collection {
	t.Helper()
	return mongodbtest.Client(t, url).Database(mongodbtest.NameOf(url)).Collection("app_data")
}

// stored is a note as other programs store it.
func stored(id string, data any) bson.D {
	now := time.Now()
	return bson.D{
		{Key: "_id", Value: id}, {Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "app"},
		{Key: "collection", Value: "notes"},
		{Key: "data", Value: data}, {Key: "createdAt", Value: now}, {Key: "updatedAt", Value: now},
	}
}

// examined is how many documents the server reads to look up a key as upserts do.
func examined(t *testing.T, docs *mongo.Collection, key string) int64 {
	t.Helper()
	find := bson.D{{Key: "find", Value: docs.Name()}, {Key: "filter", Value: bson.D{
		{Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "app"}, {Key: "collection", Value: "notes"},
		{Key: "data.key", Value: bson.D{{Key: "$in", Value: bson.A{key}}}},
	}}}
	raw, err := docs.Database().RunCommand(context.Background(),
		bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "executionStats"}}).Raw()
	require.NoError(t, err)
	return raw.Lookup("executionStats", "totalDocsExamined").AsInt64()
}
