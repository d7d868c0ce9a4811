package gateway_test

import (
	"io/fs"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/docs/api"
)

// TestDescriptionsAreServed: every file of docs/api, byte for byte, to hosts and origins that are
// allowed, and nothing else under that path.
func TestDescriptionsAreServed(t *testing.T) {
	t.Parallel()
	c := rest{t, serve(t, (&sqlitetest.Harness{}).Open(t))}
	served := 0
	require.NoError(t, fs.WalkDir(api.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		path := "/.well-known/secondgate/" + name
		if err != nil || entry.IsDir() {
			require.Equal(t, 404, c.do("GET", path, "").status, path)
			return err
		}
		text, err := fs.ReadFile(api.Files, name)
		require.NoError(t, err)
		a := c.do("GET", path, "", "Origin: "+c.url)
		require.Equal(t, string(text), a.body+"\n", name)
		require.Equal(t, c.url, a.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, 403, c.do("GET", path, "", stranger).status)
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
		require.NoError(t, err)
		q.Host = "evil.example"
		answer, err := http.DefaultTransport.RoundTrip(q)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, 403, answer.StatusCode)
		served++
		return nil
	}))
	require.Equal(t, 12, served)
	require.Equal(t, 405, c.do("POST", "/.well-known/secondgate/openapi.json", "{}").status)
}
