package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/gateway"
)

// webApp answers what reaches it, so that a test sees what the gateway passed on.
func webApp(t *testing.T) *url.URL {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("App", "yes")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(
			w, "%s %s|%s|%s|%s|%s|%s", r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("X-Forwarded-Host"),
			r.Header.Get("X-Forwarded-Proto"), r.Header.Get("Cookie"), body,
		)
	})
	events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, message, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), kind, message) != nil {
				return
			}
		}
	})
	server := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // no mux, which redirects
			switch r.URL.Path {
			case "/events":
				events(w, r)
			case "/echo":
				echo(w, r)
			default:
				page(w, r)
			}
		}),
	)
	t.Cleanup(server.Close)
	to, err := url.Parse(server.URL)
	require.NoError(t, err)
	return to
}

func inFront(t *testing.T, of *url.URL) rest {
	h := &modeltest.Harness{Options: model.Options{Seed: 1}}
	return rest{t, serve(t, h.Open(t), func(c *gateway.Config) { c.Forward = of })}
}

func TestForward(t *testing.T) {
	c := inFront(t, webApp(t))
	host := strings.TrimPrefix(c.url, "http://")
	for _, row := range []struct{ name, method, path, body, want string }{
		{"a page", "GET", "/", "", "GET /|HOST|HOST|http|a=1|"},
		{
			"query and path as they are", "GET", "/x%2Fy//z/?a=b;c&d=%zz", "",
			"GET /x%2Fy//z/?a=b;c&d=%zz|HOST|HOST|http|a=1|",
		},
		{"a body", "POST", "/api/auth/login", "who", "POST /api/auth/login|HOST|HOST|http|a=1|who"},
		{
			"another part of an app", "GET", "/api/workspaces/w/apps/a/app-tools", "",
			"GET /api/workspaces/w/apps/a/app-tools|HOST|HOST|http|a=1|",
		},
		{
			"the app itself", "DELETE", "/api/workspaces/w/apps/a", "",
			"DELETE /api/workspaces/w/apps/a|HOST|HOST|http|a=1|",
		},
		{
			"a longer name than data", "GET", "/api/workspaces/w/apps/a/database", "",
			"GET /api/workspaces/w/apps/a/database|HOST|HOST|http|a=1|",
		},
		{
			"another internal endpoint", "POST", "/api/internal/agent-runs", "",
			"POST /api/internal/agent-runs|HOST|HOST|http|a=1|",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer := rest{t, c.url}.do(row.method, row.path, row.body, "Cookie: a=1", "X-Forwarded-For: 10.1.2.3")
			require.Equal(t, http.StatusTeapot, answer.status)
			require.Equal(t, "yes", answer.header.Get("App"))
			require.Equal(t, strings.ReplaceAll(row.want, "HOST", host), answer.body)
		})
	}
	t.Run("what a proxy says is passed on", func(t *testing.T) {
		answer := rest{t, c.url}.do("GET", "/", "", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example")
		require.Equal(t, "GET /|"+host+"|app.example|https||", answer.body)
	})
	t.Run("a page of another origin is the app's to judge", func(t *testing.T) {
		require.Equal(
			t, http.StatusTeapot, rest{t, c.url}.do("GET", "/", "", "Origin: https://other.example").status,
		)
	})
}

// TestForwardFromATrustedProxy: with proxies named, nobody else's forwarding headers are passed on.
func TestForwardFromATrustedProxy(t *testing.T) {
	t.Parallel()
	app := webApp(t)
	for network, want := range map[string]string{"127.0.0.0/8": "app.example|https", "10.0.0.0/8": "HOST|http"} {
		h := &modeltest.Harness{Options: model.Options{Seed: 1}}
		c := rest{t, serve(t, h.Open(t), func(c *gateway.Config) {
			c.Forward, c.TrustedProxies = app, []netip.Prefix{netip.MustParsePrefix(network)}
		})}
		host := strings.TrimPrefix(c.url, "http://")
		answer := c.do("GET", "/", "", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example")
		require.Equal(t, "GET /|"+host+"|"+strings.ReplaceAll(want, "HOST", host)+"||", answer.body, network)
	}
}

// The gateway keeps its own paths, also where it has nothing, lest a misspelt path reach
// another store.
func TestForwardNotOurs(t *testing.T) {
	c := inFront(t, webApp(t))
	require.Equal(t, 200, c.do("GET", dataPath+"?collection=c", "").status)
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"PUT", dataPath, 405}, {"GET", dataPath + "/a/b", 404}, {"GET", dataPath + "/", 404}, {
			"GET", dataPath + "/stream/x", 404,
		},
		{"POST", "/api/internal/app-data-write", 500}, {"POST", "/api/internal/app-data-x", 404},
		{
			"GET", "/.well-known/secondgate/openapi.json", 200,
		}, {"GET", "/.well-known/secondgate/none", 404}, {"PUT", "/.well-known/secondgate/none", 405},
	} {
		answer := c.do(row.method, row.path, "")
		require.Equal(t, row.status, answer.status, row.path)
		require.Empty(t, answer.header.Get("App"), row.path)
	}
	require.Equal(t, 403, c.do("GET", dataPath+"?collection=c", "", "Origin: https://other.example").status)
	request, err := http.NewRequestWithContext(t.Context(), "GET", c.url, nil)
	require.NoError(t, err)
	request.Host = "evil.example"
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Equal(t, 403, answer.StatusCode, "a name that somebody's DNS points here")
}

// TestForwardKeepsEverySpelling: web servers take many spellings for one path. The app sees none of
// those of the gateway's own paths.
func TestForwardKeepsEverySpelling(t *testing.T) {
	c := inFront(t, webApp(t))
	for _, path := range []string{
		"/" + dataPath, "//api//workspaces/w/apps/a/data", "/." + dataPath, "/x/.." + dataPath,
		dataPath + ";x", dataPath + ";x/d1",
		"/api;v=1/workspaces/w/apps/a/data", "/api/workspaces/w/apps/a/x/../data",
		"/api/workspaces/w/./apps/a/data",
		"/API/workspaces/w/Apps/a/DATA", "/api/workspaces/w/apps/a/d%61ta", "/api/workspaces/w/apps/a%2Fdata",
		"/api/workspaces/w/apps/a/d%2561ta", "/api/workspaces/w/apps/a/d%252561ta",
		"/api%5Cworkspaces/w/apps/a/data",
		"/%2e%2f/api/workspaces/w/apps/a/data", "/x/%2e%2e" + dataPath, "/%252e" + dataPath,
		"/.;x" + dataPath, "/x/..;/" + dataPath,
		"//api/internal/app-data-write", "/api/internal/./app-data-read", "/API/internal/app-data-write",
		"/api/internal;x/app-data-x",
		"//.well-known/secondgate/x", "/.well-known/./secondgate/x", "/.well-known/secondgate;x/y",
		"/%2525252561",
	} {
		answer := c.do("GET", path, "")
		require.Equal(t, http.StatusNotFound, answer.status, path)
		require.Empty(t, answer.header.Get("App"), path)
	}
	for _, path := range []string{
		"//api/workspaces/w/apps/a/database", "/api/workspaces/w/apps/a/x/../files", "/x;y/z", "/../x",
		"/a%2Fb", "/100%25", "/%255C",
		"/other/api/workspaces/w/apps/a/data",
	} {
		answer := c.do("GET", path, "")
		require.Equal(t, "yes", answer.header.Get("App"), path)
		require.Contains(t, answer.body, "GET "+path+"|", "as it came")
	}
}

// TestForwardABadBodyIsTheClients, and nothing to warn of.
func TestForwardABadBodyIsTheClients(t *testing.T) {
	var log lockedLog
	h := &modeltest.Harness{Options: model.Options{Seed: 1}}
	address := serve(t, h.Open(t), func(c *gateway.Config) {
		c.Forward, c.Log = webApp(t), slog.New(slog.NewTextHandler(&log, nil))
	})
	for _, body := range []string{"zz\r\nx\r\n", "5\r\nhello!!\r\n", "-1\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		require.NoError(t, err)
		_, err = fmt.Fprintf(conn, "POST /x HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s",
			strings.TrimPrefix(address, "http://"), body)
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		text, _ := io.ReadAll(answer.Body)
		require.NoError(t, conn.Close())
		require.Equal(t, http.StatusBadRequest, answer.StatusCode, "%q: %s", body, text)
		require.Contains(t, string(text), "invalid_message")
	}
	require.NotContains(t, log.String(), "WARN")
}

// lockedLog is a log that is written and read at once.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestForwardSocketAndStream(t *testing.T) {
	c := inFront(t, webApp(t))
	socket, _, err := websocket.Dial(t.Context(), c.url+"/echo", nil)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, socket.Write(t.Context(), websocket.MessageText, []byte("hello")))
		_, message, err := socket.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hello", string(message))
	}
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", c.url+"/events", nil)
	require.NoError(t, err)
	answer, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	line, err := bufio.NewReader(answer.Body).ReadString('\n') // at once, not when the app is done
	require.NoError(t, err)
	require.Equal(t, "data: first\n", line)
	cancel()
	_ = answer.Body.Close()
	// The socket stays open: the gateway's Shutdown, at the end of the test, must cut it or leak.
}

func TestForwardAway(t *testing.T) {
	away := httptest.NewServer(nil)
	to, err := url.Parse(away.URL)
	require.NoError(t, err)
	away.Close()
	c := inFront(t, to)
	answer := c.do("GET", "/", "")
	require.Equal(t, http.StatusBadGateway, answer.status)
	require.Contains(t, answer.body, `"error":"unavailable"`)
	require.NotContains(t, answer.body, to.Host, "no internals")
	require.Equal(t, 200, c.do("GET", dataPath+"?collection=c", "").status)
}
