package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExplorer: the explorer is served under a policy that lets nothing of elsewhere in, before a web
// app too, and not where it is off.
func TestExplorer(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the web app")
	}))
	t.Cleanup(app.Close)
	for _, c := range []struct {
		flags    []string
		contains string
		policy   bool
	}{
		{nil, `<html lang="en">`, true},
		{[]string{"--explorer", "readonly"}, `<html data-readonly lang="en">`, true},
		{[]string{"--forward", app.URL}, `<html lang="en">`, true},
		{[]string{"--forward", app.URL, "--explorer", "off"}, "the web app", false},
	} {
		o := operate(t, nil, c.flags...)
		answer, err := http.Get(o.url + "/explorer")
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Contains(t, string(text), c.contains, c.flags)
		require.Equal(t, c.policy, strings.HasPrefix(answer.Header.Get("Content-Security-Policy"), "default-src 'none'; "))
		require.NotContains(t, answer.Header.Get("Content-Security-Policy"), "unsafe")
	}
}
