package wire_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/conformance/wire"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a gateway over b, for the length of the test, and returns its URL.
func serve(t *testing.T, b backends.Backend, change func(*gateway.Config)) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	host := server.Listener.Addr().String()
	config := gateway.DefaultConfig()
	config.Hosts, config.Origins = []string{host}, []string{"http://" + host}
	config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	config.Heartbeat, config.StreamHeartbeat = 300*time.Millisecond, 300*time.Millisecond
	change(&config)
	g, err := gateway.New(context.Background(), b, config)
	require.NoError(t, err)
	server.Config.Handler = g.Handler(nil)
	server.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		g.Shutdown(ctx)
		server.Close()
	})
	return "http://" + host
}

// TestRules holds a gateway to the rules in both of the ways in which it writes to clients. The
// fast way runs here with the race detector. Without it the binary runs it, over every database:
// see TestConformanceCommand in cmd/secondgate.
func TestRules(t *testing.T) {
	mode, plain := "plain", true
	if testing.Short() {
		mode, plain = "fast", false
	}
	t.Run(mode, func(t *testing.T) {
		h := &modeltest.Harness{Options: model.Options{Seed: 5, PreImage: -1, Break: -1}}
		url := serve(t, h.Open(t), func(c *gateway.Config) { c.PlainSockets = plain })
		wire.Run(t, wire.Target{URL: url, Workspace: "w", Wait: planted.Wait(2 * time.Minute)})
	})
}

func TestRulesAreAddressable(t *testing.T) {
	seen := map[string]int{}
	for _, r := range wire.Rules() {
		require.Regexp(t, regexp.MustCompile(`^(ws|rest|sse)/[a-z-]+$`), r.ID)
		require.NotContains(t, seen, r.ID)
		require.False(t, r.Says == "" || strings.HasSuffix(r.Says, "."), r.ID)
		seen[r.ID]++
		seen[strings.SplitN(r.ID, "/", 2)[0]]++
	}
	t.Logf("%d rules: %d ws, %d rest, %d sse", len(wire.Rules()), seen["ws"], seen["rest"], seen["sse"])
	require.Greater(t, len(wire.Rules()), 100)
}

// TestRulesLeaveNothing: a gateway with data in it is as it was when the rules have run.
func TestRulesLeaveNothing(t *testing.T) {
	h := &sqlitetest.Harness{}
	b := h.Open(t)
	url := serve(t, b, func(*gateway.Config) {})
	mine := protocol.Scope{Workspace: "w", App: "mine"}
	ref := protocol.Ref{Scope: mine, Collection: "notes", ID: "a"}
	h.Outside(t, b).Do(t, true, conformance.Step{Kind: "insert", Ref: ref, Data: `{"mine":true}`})
	for _, id := range []string{
		"ws/scopes", "ws/list-many", "rest/collections", "sse/scopes", "rest/statuses", "ws/upsert-fields",
	} {
		rule, found := wire.Find(id)
		require.True(t, found, id)
		require.Empty(t, wire.Try(t.Context(), wire.Target{URL: url, Workspace: "w", App: "mine"}, rule))
	}
	for _, s := range []protocol.Scope{mine, {Workspace: "w", App: "mine", Draft: true}} {
		counts, err := b.Collections(t.Context(), s, nil)
		require.NoError(t, err)
		if s.Draft {
			require.Empty(t, counts)
			continue
		}
		require.Equal(t, map[string]int{"notes": 1}, counts)
	}
	after, _, err := b.Get(t.Context(), ref, nil)
	require.NoError(t, err)
	require.Equal(t, `{"mine":true}`, string(after.Data))
}
