package gateway_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// losses are ways in which a database loses what clients know, while the gateway runs. open returns
// the backend, and a function that loses everything.
var losses = map[string]func(t *testing.T) (b backends.Backend, lose func()){
	"sqlite restored online": func(t *testing.T) (backends.Backend, func()) {
		b := sqlitetest.Harness{}.Open(t).(*sqlite.Backend)
		copied := filepath.Join(t.TempDir(), "copy.db")
		sqlitetest.CLI(t, b.Path(), ".backup "+copied)
		return b, func() { sqlitetest.CLI(t, b.Path(), ".restore "+copied) }
	},
	"postgres killed": func(t *testing.T) (backends.Backend, func()) {
		server := postgrestest.Start(t)
		b, err := postgres.Open(t.Context(), postgres.Options{URL: server.URL()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return b, func() {
			require.NoError(t, server.Kill9())
			require.NoError(t, server.Restart())
		}
	},
	"mongodb collection dropped": func(t *testing.T) (backends.Backend, func()) {
		h := &mongodbtest.Harness{}
		b := h.Open(t)
		return b, func() { require.NoError(t, h.Documents(b).Drop(t.Context())) }
	},
}

// TestAConnectedSocketListsAgainAfterEverythingWasLost: the protocol's own algorithm, to list again
// on the same connection after a reset, leads to an exact copy, and writes are settled.
func TestAConnectedSocketListsAgainAfterEverythingWasLost(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector loses everything")
		return
	}
	for name, open := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, lose := open(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			url := serve(t, b)
			c, err := client.Dial(ctx, client.URL(url, here))
			require.NoError(t, err)
			defer c.Cut()
			insert := func(id string) protocol.Received {
				return call(t, ctx, c, protocol.Request{
					Type: protocol.TypeInsert, Collection: "c", DocID: id, Data: []byte(`{}`), MutationID: "m" + id,
				})
			}
			for i := range 20 { // the lost future is far ahead of what follows
				insert(protocol.NewID(time.Now()) + string(rune('a'+i)))
			}
			require.Len(t, call(t, ctx, c, protocol.Request{Type: protocol.TypeList, Collection: "c"}).Docs, 20)
			// One that follows nothing has read, and may follow later.
			idle, err := client.Dial(ctx, client.URL(url, here, "changes", "none"))
			require.NoError(t, err)
			defer idle.Cut()
			call(t, ctx, idle, protocol.Request{Type: protocol.TypeList, Collection: "c"})
			lose()
			for reset := false; !reset; {
				m, err := c.Next(ctx)
				require.NoError(t, err)
				reset = m.Type == protocol.TypeReset
			}
			listed := call(t, ctx, c, protocol.Request{Type: protocol.TypeList, Collection: "c"}).Docs
			call(t, ctx, idle, protocol.Request{Type: protocol.TypeSubscribe, Collection: "c"})
			id := insert("late").RequestID
			for settled := false; !settled; {
				m, err := c.Next(ctx)
				require.NoError(t, err)
				settled = m.Type == protocol.TypeSettled && m.RequestID == id
			}
			again := call(t, ctx, c, protocol.Request{Type: protocol.TypeList, Collection: "c"}).Docs
			require.Len(t, again, len(listed)+1)
		})
	}
}

// call asks until the answer is no passing error, as a client does.
func call(t *testing.T, ctx context.Context, c *client.Client, r protocol.Request) protocol.Received {
	t.Helper()
	for {
		m, err := c.Call(ctx, r)
		require.NoError(t, err)
		if m.Error == nil {
			return m
		}
		require.True(t, m.Error.Retryable, "%+v", m.Error)
	}
}
