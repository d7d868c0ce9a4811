package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/wire"
)

// TestConformanceCommand: the gateway that is built holds every rule, as the command tells it.
func TestConformanceCommand(t *testing.T) {
	t.Parallel()
	o := operate(t, nil, "--heartbeat", "1s")
	out, err := secondgate(t, nil, "conformance", "--url", o.url+"/")
	require.NoError(t, err, out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, len(wire.Rules())+1)
	for i, r := range wire.Rules() {
		require.Regexp(t, `^ok    `+r.ID+` +\S`, lines[i])
	}
	t.Log(lines[len(lines)-1])
}

// TestConformanceOneApp: all rules may share one app, as where apps are not made by naming them.
func TestConformanceOneApp(t *testing.T) {
	t.Parallel()
	o := operate(t, nil, "--heartbeat", "1s")
	out, err := secondgate(t, nil, "conformance", "--url", o.url, "--workspace", "w", "--app", "mine")
	require.NoError(t, err, out)
}

// TestConformanceStatus: 2 where the rules cannot be tried, and why.
func TestConformanceStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"--url http://127.0.0.1:1", "nobody answers at http://127.0.0.1:1"},
		{"--url ftp://127.0.0.1", "is not the base of a gateway"},
		{"", "is not the base of a gateway"},
		{"--url http://127.0.0.1:1 --workspace a/b", "the workspace id must be"},
		{"--url http://127.0.0.1:1 --only ws/ordr", `did you mean "ws/order"?`},
		{"--nonsense", "unknown flag"},
	} {
		out, err := secondgate(t, nil, append([]string{"conformance"}, strings.Fields(c.args)...)...)
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, out)
		require.Equal(t, 2, exit.ExitCode(), out)
		require.Contains(t, out, c.says)
	}
	out, err := secondgate(t, nil, "conformance", "--list")
	require.NoError(t, err)
	require.Equal(t, len(wire.Rules()), strings.Count(out, "\n"))
}
