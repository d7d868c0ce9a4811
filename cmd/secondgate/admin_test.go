package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

func TestAdminPaths(t *testing.T) {
	t.Parallel()
	o := operate(t, nil)
	for path, want := range map[string]string{
		"/livez": `{"status":"ok"}`, "/readyz": `{"status":"ready"}`,
		"/metrics": "secondgate_connections{", "/debug/pprof/goroutine?debug=1": "goroutine profile",
	} {
		status, body := o.get(path)
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, body, want, path)
	}
	status, _ := o.get("/debug/pprof/cmdline")
	require.Equal(t, http.StatusNotFound, status, "it may hold a password")
	response, err := http.Get(o.url + "/metrics")
	require.NoError(t, err)
	response.Body.Close()
	require.NotEqual(t, http.StatusOK, response.StatusCode, "apps must not see the admin paths")
	out, err := secondgate(t, nil, "healthcheck", "--admin", o.admin)
	require.NoError(t, err, out)
}

// TestAdminKeepsPagesOut: a page can dial loopback under a name of its own.
func TestAdminKeepsPagesOut(t *testing.T) {
	t.Parallel()
	h := (&admin{hosts: []string{"gate:8081"}}).handler()
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:8081", "", 200}, {"[::1]:8081", "", 200}, {"localhost:8081", "", 200}, {"gate:8081", "", 200}, {"10.0.0.1", "", 200},
		{"evil.example:8081", "", 403}, {"gate:80", "", 403}, {"", "", 403}, {"127.0.0.1.evil.example", "", 403},
		{"127.0.0.1:8081", "http://127.0.0.1:8081", 403}, {"localhost:8081", "null", 403},
	} {
		status := ask(t, h, c.host, c.origin)
		require.Equal(t, c.want, status, "%+v", c)
	}
}

// TestAdminKeepsImagesOut: <img> of another origin sends no Origin. It could start profiles.
func TestAdminKeepsImagesOut(t *testing.T) {
	t.Parallel()
	h := (&admin{}).handler()
	for site, want := range map[string]int{
		"": 200, "none": 200, "same-origin": 403, "same-site": 403, "cross-site": 403,
		"none, none": 403, "None": 403,
	} {
		for _, path := range []string{"/livez", "/debug/pprof/", "/debug/pprof/symbol"} {
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8081"+path, nil)
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, want, w.Code, "%q %s", site, path)
		}
	}
}

// TestASecondSignalEndsAtOnce: whoever presses Ctrl-C again does not want to wait.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		o := operate(t, nil, "--drain-delay", "24h")
		o.terminate()
		require.Eventually(t, func() bool {
			status, _ := o.get("/readyz")
			return status == http.StatusServiceUnavailable
		}, time.Minute, 10*time.Millisecond)
		ended := make(chan error, 1)
		go func() { ended <- o.command.Wait() }()
		var err error
		for waiting := true; waiting; { // the first signal is still being taken, perhaps
			_ = o.command.Process.Signal(signal)
			select {
			case err = <-ended:
				waiting = false
			case <-time.After(20 * time.Millisecond):
			}
		}
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, signal, exit.Sys().(syscall.WaitStatus).Signal())
	}
}

// TestServerLines: a process without descriptors must not say so at INFO.
func TestServerLines(t *testing.T) {
	for line, level := range map[string]string{
		"http: Accept error: too many open files; retrying in 5ms": "WARN",
		"http: panic serving 1.2.3.4:5: x":                         "ERROR",
		"http: TLS handshake error from 1.2.3.4:5: EOF":            "INFO",
	} {
		var out bytes.Buffer
		before := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
		serverLog().Print(line)
		slog.SetDefault(before)
		require.Contains(t, out.String(), "level="+level)
		require.Contains(t, out.String(), line)
	}
}

// TestDrain: /readyz fails first, while everything is still served, then the gateway ends well.
func TestDrain(t *testing.T) { inModes(t, drain) }

func drain(t *testing.T, flags ...string) {
	o := operate(t, nil, append(flags, "--drain-delay", "10s")...)
	o.terminate()
	var body string
	require.Eventually(t, func() bool {
		status := 0
		status, body = o.get("/readyz")
		return status == http.StatusServiceUnavailable
	}, 8*time.Second, 10*time.Millisecond)
	require.JSONEq(t, `{"status":"not ready","reason":"the gateway is stopping"}`, body)
	status, _ := o.get("/livez")
	require.Equal(t, http.StatusOK, status)
	out, err := secondgate(t, nil, "healthcheck", "--admin", o.admin)
	require.Error(t, err)
	require.Contains(t, out, "the gateway is stopping")
	conn := dial(t, o.url)
	defer conn.Cut()
	insert(t, conn) // still served
	require.NoError(t, o.command.Wait(), o.log.String())
}

// TestMetricsMove: each metric that a client can move does.
func TestMetricsMove(t *testing.T) {
	t.Parallel()
	o := operate(t, nil)
	require.Zero(t, o.metric("secondgate_subscriptions"))
	follower, writer := dial(t, o.url), dial(t, o.url, "changes", "none")
	o.becomes(`secondgate_connections{door="socket"}`, 2)
	o.becomes("secondgate_subscriptions", 2)
	insert(t, writer)
	o.becomes(`secondgate_deliveries_total{door="socket"}`, 1)
	o.becomes("secondgate_feed_batch_changes_sum", 1)
	require.Positive(t, o.metric("secondgate_feed_batches_total"))
	o.becomes("secondgate_feed_lag_seconds", 0)
	o.becomes("secondgate_requests_waiting", 0)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := writer.Call(ctx, protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "none"})
	require.NoError(t, err)
	require.NotNil(t, m.Error)
	o.becomes(`secondgate_errors_total{code="not_found"}`, 1)

	expired := dial(t, o.url, "cursor", "AAAA")
	o.becomes(`secondgate_resets_total{reason="cursor_expired"}`, 1)
	stream, err := http.Get(o.url + "/api/workspaces/w/apps/a/data/stream")
	require.NoError(t, err)
	o.becomes(`secondgate_connections{door="stream"}`, 1)
	insert(t, writer)
	o.becomes(`secondgate_deliveries_total{door="stream"}`, 2) // the latest state of the first one, then this
	stream.Body.Close()
	o.becomes(`secondgate_connections{door="stream"}`, 0)
	for _, c := range []*client.Client{follower, writer, expired} {
		c.Cut()
	}
	o.becomes(`secondgate_connections{door="socket"}`, 0)
	o.becomes("secondgate_subscriptions", 0)
}

// TestAdminRefusals: what would show operators' pages to strangers, or to nobody, ends the start.
func TestAdminRefusals(t *testing.T) {
	t.Parallel()
	out, err := secondgate(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0")
	require.Error(t, err)
	require.Contains(t, out, "is reachable from other machines")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	out, err = secondgate(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", taken.Addr().String())
	require.Error(t, err)
	require.Contains(t, out, "cannot listen on the admin address")
	o := operate(t, nil, "--admin", "")
	require.Empty(t, o.admin)
}

func ask(t *testing.T, h http.Handler, host, origin string) int {
	t.Helper()
	return askPath(t, h, "/livez", host, origin)
}

func askPath(t *testing.T, h http.Handler, path, host, origin string) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://x"+path, nil)
	require.NoError(t, err)
	r.Host = host
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := &statusWriter{header: http.Header{}}
	h.ServeHTTP(w, r)
	return w.status
}

type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }

func dial(t *testing.T, url string, parameters ...string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, client.URL(url, protocol.Scope{Workspace: "w", App: "a"}, parameters...))
	require.NoError(t, err)
	return c
}

func insert(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := c.Call(ctx, protocol.Request{Type: protocol.TypeInsert, Collection: "c", Data: []byte(`{"n":1}`)})
	require.NoError(t, err)
	require.Nil(t, m.Error, strings.TrimSpace(string(m.Doc)))
}
