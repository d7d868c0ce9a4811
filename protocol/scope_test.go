package protocol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

func TestParseScope(t *testing.T) {
	for _, c := range []struct{ workspace, app, version, want string }{
		{"w", "a", "", "w/a"},
		{" W1 ", "App_1-x", "published", "w1/App_1-x"},
		{"w", "a", "draft", "w/a__draft"},
		{"w", "a", "anything", "w/a"},
		{strings.Repeat("w", 128), "a", "", strings.Repeat("w", 128) + "/a"},
	} {
		s, err := protocol.ParseScope(c.workspace, c.app, c.version)
		require.NoError(t, err)
		require.Equal(t, c.want, s.String())
		require.Equal(t, s, protocol.StoredScope(s.Workspace, s.StoredApp()))
	}
}

// bad are ids that travel as data and must never be taken for a path or for another scope.
var bad = []string{
	"", ".", "..", "a/b", `a\b`, "%2e%2e", "a b", "a\x00", "é", "a.b", "a?b", strings.Repeat("a", 129),
}

func TestParseScopeRefuses(t *testing.T) {
	for _, id := range append(bad, "x__draft") {
		_, err := protocol.ParseScope("w", id, "")
		require.Equal(t, protocol.CodeInvalidID, protocol.CodeOf(err), "app %q", id)
	}
	for _, id := range bad {
		_, err := protocol.ParseScope(id, "a", "")
		require.Equal(t, protocol.CodeInvalidID, protocol.CodeOf(err), "workspace %q", id)
	}
}

func TestNewIDs(t *testing.T) {
	seen := map[string]bool{}
	last := ""
	for range 1000 {
		id := protocol.NewID(time.Unix(1_700_000_000, 0))
		require.True(t, protocol.ServerMade(id))
		require.False(t, seen[id])
		require.Equal(t, "6553f100", id[:8])
		seen[id], last = true, id
	}
	require.Error(t, protocol.CheckNewID(last), "the server's form is reserved")
	require.NoError(t, protocol.CheckNewID(last[1:]))
	require.NoError(t, protocol.CheckNewID(strings.ToUpper(last)), "only lower case is the server's")
	for _, id := range bad {
		require.Equal(t, protocol.CodeInvalidID, protocol.CodeOf(protocol.CheckNewID(id)), "%q", id)
	}
}

func TestCollectionNames(t *testing.T) {
	for _, name := range []string{"a", "with space", "a.b/c", "été", strings.Repeat("é", 128)} {
		require.NoError(t, protocol.CheckNewCollection(name), name)
	}
	for _, name := range []string{"", "a\nb", "a\x7fb", "a\u0085b", strings.Repeat("é", 129), "a\xff"} {
		require.Equal(t, protocol.CodeInvalidID, protocol.CodeOf(protocol.CheckNewCollection(name)), "%q", name)
	}
}

func TestCursorBelongsToItsScope(t *testing.T) {
	s := protocol.Scope{Workspace: "w", App: "a"}
	text := protocol.EncodeCursor(s, []byte("position"))
	raw, err := protocol.DecodeCursor(s, text)
	require.NoError(t, err)
	require.Equal(t, "position", string(raw))
	for name, c := range map[string]struct {
		scope protocol.Scope
		text  string
	}{
		"another app":         {protocol.Scope{Workspace: "w", App: "b"}, text},
		"another workspace":   {protocol.Scope{Workspace: "v", App: "a"}, text},
		"the draft":           {protocol.Scope{Workspace: "w", App: "a", Draft: true}, text},
		"another format":      {s, "Ag" + text[2:]},
		"cut short":           {s, text[:5]},
		"garbage":             {s, "?!"},
		"empty":               {s, ""},
		"padded":              {s, text + "="},
		"longer than allowed": {s, protocol.EncodeCursor(s, make([]byte, 4000))},
	} {
		_, err := protocol.DecodeCursor(c.scope, c.text)
		require.Equal(t, protocol.CodeCursorExpired, protocol.CodeOf(err), name)
	}
}
