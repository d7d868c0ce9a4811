package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// TestBookmarkOfAListAheadOfTheFeed: transactions that change nothing of ours move PostgreSQL's
// snapshots on, and nobody tells the feed of them. The bookmark of a list that has seen them comes
// all the same, without the poll.
func TestBookmarkOfAListAheadOfTheFeed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	schema := postgrestest.Schema(t)
	b, err := postgres.Open(
		ctx, postgres.Options{URL: schema, Poll: time.Hour, Log: slog.New(slog.NewTextHandler(io.Discard, nil))},
	)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	c, err := client.Dial(ctx, client.URL(serve(t, b), protocol.Scope{Workspace: "w", App: "a"}))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	for range 10 {
		postgrestest.PSQL(t, schema, "SELECT pg_current_xact_id()")
		_, err = c.Call(ctx, protocol.Request{Type: protocol.TypeList, Collection: "notes"})
		require.NoError(t, err)
		for got := (protocol.Received{}); got.Type != protocol.TypeBookmark; {
			got, err = c.Next(ctx)
			require.NoError(t, err)
		}
	}
}
