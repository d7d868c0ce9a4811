package socket_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestRespondLeavesTheRestToNetHTTP: where a connection cannot be taken, nothing has been written
// to it either.
func TestRespondLeavesTheRestToNetHTTP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		major    int
		protocol func(*http.Protocols)
		tls      bool
	}{
		"HTTP/2 over TLS":    {2, func(p *http.Protocols) { p.SetHTTP2(true) }, true},
		"HTTP/1.1 over TLS":  {1, func(p *http.Protocols) { p.SetHTTP1(true) }, true},
		"HTTP/2 without TLS": {2, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var protocols http.Protocols
			c.protocol(&protocols)
			server := httptest.NewUnstartedServer(http.HandlerFunc(byNetHTTP))
			server.Config.Protocols = &protocols
			if server.EnableHTTP2 = c.tls && c.major == 2; c.tls {
				server.StartTLS()
			} else {
				server.Start()
			}
			t.Cleanup(server.Close)
			server.Client().Transport.(*http.Transport).Protocols = &protocols
			for range 2 { // the connection goes on
				wantByNetHTTP(t, server, c.major)
			}
		})
	}
}

// byNetHTTP answers by net/http what Respond does not.
func byNetHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if response := socket.Respond(w, r, time.Minute); response != nil {
		response.Cut()
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "by net/http")
}

func wantByNetHTTP(t *testing.T, server *httptest.Server, major int) {
	t.Helper()
	answer, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, major, answer.ProtoMajor)
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
	require.False(t, answer.Close)
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	require.Equal(t, "by net/http", string(body))
}
