package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a gateway over b, for the length of the test, and returns its URL.
func serve(t rule.T, b backends.Backend, change ...func(*gateway.Config)) string {
	t.Helper()
	return serveOn(t, httptest.NewUnstartedServer(nil), b, change...)
}

func serveOn(t rule.T, server *httptest.Server, b backends.Backend, change ...func(*gateway.Config)) string {
	t.Helper()
	host := server.Listener.Addr().String()
	config := gateway.DefaultConfig()
	config.Hosts, config.Origins = []string{host}, []string{"http://" + host}
	config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	for _, f := range change {
		f(&config)
	}
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
	return "http://" + strings.TrimPrefix(server.URL, "http://")
}
