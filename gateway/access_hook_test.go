package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// hook is a web app that says who may do what.
type hook struct {
	asked  atomic.Int64
	mu     sync.Mutex
	answer http.HandlerFunc
	last   *http.Request
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.asked.Add(1)
	h.mu.Lock()
	answer := h.answer
	h.last = r
	h.mu.Unlock()
	answer(w, r)
}

func (h *hook) says(answer http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

// status is an answer without a body.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// says is an answer with a body.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

var ada = says(`{"user":{"id":"ada"},"workspaceRole":"member","appRole":"creator"}`)

// serveBy starts a hook, and a gateway that asks it.
func serveBy(t *testing.T, mode func(u *url.URL, private bool, log *slog.Logger) *access.Hook) (*hook, string) {
	t.Helper()
	h := &hook{answer: ada}
	app := httptest.NewServer(h)
	t.Cleanup(app.Close)
	u, err := url.Parse(app.URL + "/access")
	require.NoError(t, err)
	gate := serve(t, harnesses()["model"].Open(t), func(c *gateway.Config) {
		c.Access = mode(u, false, slog.New(slog.NewTextHandler(io.Discard, nil)))
	})
	return h, gate
}

const session = "Cookie: session=s1"

// TestHookAnswers: what a hook may say, and what a client gets.
func TestHookAnswers(t *testing.T) {
	t.Parallel()
	member := `{"user":{"id":"ada"},"workspaceRole":"member"`
	for _, c := range []struct {
		name      string
		answer    http.HandlerFunc
		published int
		draft     int
	}{
		{"creator", ada, 200, 200},
		{"collaborator", says(member + `,"appRole":"collaborator"}`), 200, 200},
		{"viewer", says(member + `,"appRole":"viewer"}`), 200, 403},
		{"owner", says(`{"user":{"id":"ada"},"workspaceRole":"owner"}`), 200, 200},
		{"member alone", says(member + `}`), 404, 404},
		{"no role", says(`{"user":{"id":"ada"}}`), 404, 404},
		{"expired", says(member + `,"appRole":"creator","expiresAt":"2020-01-01T00:00:00Z"}`), 401, 401},
		{"401", status(401), 401, 401},
		{"403", status(403), 403, 403},
		{"404", status(404), 404, 404},
		{"500", status(500), 503, 503},
		{"204", status(204), 503, 503},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere",
				http.StatusFound)
		}, 503, 503},
		{"no JSON", says("hello"), 503, 503},
		{"nobody", says(`{"workspaceRole":"owner"}`), 503, 503},
		{"a user that is a line", says(`{"user":{"id":"a\nb"},"workspaceRole":"owner"}`), 503, 503},
		{"a role that there is not", says(`{"user":{"id":"ada"},"workspaceRole":"boss"}`), 503, 503},
		{"an answer without an end", says(strings.Repeat(" ", 2<<20)), 503, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, gate := serveBy(t, access.NewForward)
			h.says(c.answer)
			for s, want := range map[protocol.Scope]int{here: c.published, draft: c.draft} {
				a, err := client.Do(t.Context(), "GET", client.DataURL(gate, s, ""), "", session)
				require.NoError(t, err)
				require.Equal(t, want, a.Status, a.Body)
				stream, err := client.OpenStream(t.Context(), client.StreamURL(gate, s), session)
				require.NoError(t, err)
				stream.Cut()
				if want == 503 { // EventSource would never come back
					want = 200
				}
				require.Equal(t, want, stream.Status)
			}
		})
	}
}

// TestHookIsAsked with the credential and the scope, once for many.
func TestHookIsAsked(t *testing.T) {
	t.Parallel()
	h, gate := serveBy(t, access.NewForward)
	release := make(chan struct{})
	h.says(func(w http.ResponseWriter, r *http.Request) { <-release; ada(w, r) })
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			a, err := client.Do(t.Context(), "GET", client.DataURL(gate, draft, ""), "", session,
				"Authorization: Bearer x.y", "X-Canary: canary", "Connection: X-Canary", "X-Forwarded-For: 1.2.3.4")
			require.NoError(t, err)
			require.Equal(t, 200, a.Status, a.Body)
		})
	}
	close(release)
	group.Wait()
	require.EqualValues(t, 1, h.asked.Load())
	require.Equal(t, "/access?app=a&version=draft&workspace=w", h.last.URL.String())
	want := http.Header{
		"Cookie": {"session=s1"}, "Authorization": {"Bearer x.y"}, "Accept": {"application/json"},
		"Accept-Encoding": {"gzip"}, "User-Agent": {"Go-http-client/1.1"},
	}
	require.Equal(t, want, h.last.Header)
	for name, headers := range map[string][]string{
		"no credential": nil, "a token in the URL": {session},
	} {
		address := client.DataURL(gate, here, "")
		if len(headers) > 0 {
			address += "&access_token=x"
		}
		a, err := client.Do(t.Context(), "GET", address, "", headers...)
		require.NoError(t, err)
		require.GreaterOrEqual(t, a.Status, 400, name)
	}
	require.EqualValues(t, 1, h.asked.Load(), "who has no credential is nobody's question")
}

// TestHookEndsConnections that it allowed before: what it takes back, and what nobody can say.
func TestHookEndsConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		close  int
	}{
		"signed out":          {status(401), 4401},
		"removed":             {status(404), 4404},
		"a viewer now":        {says(`{"user":{"id":"ada"},"workspaceRole":"member","appRole":"viewer"}`), 4403},
		"somebody else":       {says(`{"user":{"id":"bob"},"workspaceRole":"owner"}`), 4401},
		"nobody can be asked": {status(500), 1013},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			h, gate := serveBy(t, access.NewForward)
			socket, err := client.DialWith(ctx, client.URL(gate, draft), http.Header{"Cookie": {"session=s1"}})
			require.NoError(t, err)
			defer socket.Cut()
			w := openStream(t, ctx, client.StreamURL(gate, draft), session)
			w.until("the first id", func(e event) bool { return e.id != "" })
			h.says(c.answer)
			code, _ := closeOf(t, ctx, socket)
			require.Equal(t, c.close, code)
			unauthorized := false
			for ok := true; ok; {
				var e event
				e, ok = w.next()
				unauthorized = unauthorized || e.event == "unauthorized"
			}
			require.NoError(t, ctx.Err())
			require.Equal(t, c.close != 1013, unauthorized)
		})
	}
}

// TestSecondIsAsked: a web app of Second as it is, by the one request whose answer tells.
func TestSecondIsAsked(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int{200: 200, 401: 401, 403: 403, 404: 404, 500: 503, 302: 503} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			h, gate := serveBy(t, access.NewSecond)
			h.says(status(code))
			a, err := client.Do(t.Context(), "GET", client.DataURL(gate, draft, ""), "", session)
			require.NoError(t, err)
			require.Equal(t, want, a.Status, a.Body)
			require.Equal(t, "/access/api/workspaces/w/apps/a/data?collection=_&version=draft", h.last.URL.String())
		})
	}
}
