package access

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestAllowlist: Host and Origin are compared whole, a Host in any case and an Origin exactly.
func TestAllowlist(t *testing.T) {
	t.Parallel()
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	list := &Allowlist{
		Hosts: []string{"app.example.com:8443"}, Origins: []string{"https://app.example.com:8443"},
		Refuse: func(w http.ResponseWriter, e *protocol.Error) { w.WriteHeader(e.Code.Info().HTTP) },
	}
	handler := list.ServedHosts(list.ServedOrigins(served))
	for _, c := range []struct {
		host    string
		origins []string
		want    int
	}{
		{"app.example.com:8443", nil, 200},
		{"APP.example.com:8443", nil, 200},
		{"app.example.com:8443", []string{"https://app.example.com:8443"}, 200},
		{"app.example.com", nil, 403},
		{"app.example.com:8443.", nil, 403},
		{"", nil, 403},
		{"evil.example", []string{"https://app.example.com:8443"}, 403},
		{"app.example.com:8443", []string{"https://app.example.com"}, 403},
		{"app.example.com:8443", []string{"https://APP.example.com:8443"}, 403},
		{"app.example.com:8443", []string{"null"}, 403},
		{"app.example.com:8443", []string{""}, 403},
		{"app.example.com:8443", []string{"https://app.example.com:8443", "https://app.example.com:8443"}, 403},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.Header["Origin"] = c.host, c.origins
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, c.want, w.Code, "%q from %q", c.host, c.origins)
	}
}
