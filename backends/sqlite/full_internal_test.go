package sqlite

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// TestAFullDatabaseSaysSo: a write and the readiness check fail with a sentence, and the log has the
// cause. Both succeed again when there is room.
func TestAFullDatabaseSaysSo(t *testing.T) {
	t.Parallel()
	b, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	defer b.Close()
	config := gateway.DefaultConfig()
	var log bytes.Buffer // nothing else logs before the gateway stops
	config.Hosts, config.Log = []string{"h"}, slog.New(slog.NewTextHandler(&log, nil))
	g, err := gateway.New(t.Context(), b, config)
	require.NoError(t, err)
	pages := func(n string) {
		require.NoError(t, b.inWriter(t.Context(), "limit", func(c *conn) error {
			_, err := c.exec(context.Background(), "PRAGMA max_page_count = "+n)
			return err
		}))
	}
	require.NoError(t, g.Ready(t.Context()))
	pages("1") // SQLite makes it as many as there are
	large := backends.Entry{Kind: "k", Key: "k", Body: make([]byte, 1<<20), At: time.Now()}
	err = b.Put(t.Context(), large, false)
	require.ErrorContains(t, err, "the database is full: the operator must make room")
	var fault *driverkit.Fault
	require.True(t, errors.As(err, &fault))
	require.ErrorContains(t, fault.HiddenCause(), "full")
	data := []byte(`{"pad":"` + strings.Repeat("x", 1<<20) + `"}`)
	outs := b.Write(t.Context(), []backends.Tx{{
		Scope: protocol.Scope{Workspace: "w", App: "a"}, At: time.Now(),
		Writes: []backends.Write{{Op: backends.Insert, Collection: "c", ID: "x", Data: data}},
	}})
	require.ErrorContains(t, outs[0].Err, "the database is full")
	pages("1000000")
	require.NoError(t, b.Put(t.Context(), large, false))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	g.Shutdown(ctx)
}
