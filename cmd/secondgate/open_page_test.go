package main

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOpenPageWarns: the page and the log say what it means that nobody is asked who they are, where that
// was chosen, and only there.
func TestOpenPageWarns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags []string
		warns bool
	}{
		{nil, false}, {[]string{"--non-loopback"}, true},
		{[]string{"--non-loopback", "--auth", "forward=http://127.0.0.1:1"}, false},
	} {
		o := operate(t, nil, c.flags...)
		answer, err := http.Get(o.url + "/")
		require.NoError(t, err)
		page, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, 200, answer.StatusCode)
		require.Contains(t, answer.Header.Get("Content-Type"), "text/html")
		for _, where := range []struct{ text, says string }{
			{string(page), "may read and change\nall data behind it"},
			{o.log.String(), "everybody who reaches this address may read and change everything"},
		} {
			if c.warns {
				require.Contains(t, where.text, where.says, c.flags)
			} else {
				require.NotContains(t, where.text, where.says, c.flags)
			}
		}
	}
}
