package main

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/wire"
)

// TestConformanceCommand: the gateway that is built holds every rule over SQLite, and the command
// says so.
func TestConformanceCommand(t *testing.T) {
	t.Parallel()
	o := operate(t, nil, "--heartbeat", "1s")
	rules, only := share()
	out, err := secondgate(t, nil, append([]string{"conformance", "--url", o.url + "/"}, only...)...)
	require.NoError(t, err, out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, len(rules)+1)
	for i, r := range rules {
		require.Regexp(t, `^ok    `+r.ID+` +\S`, lines[i])
	}
	t.Log(lines[len(lines)-1])
}

// TestConformanceCommandPostgres: the gateway that is built holds every rule over PostgreSQL.
func TestConformanceCommandPostgres(t *testing.T) {
	t.Parallel()
	holdsAll(t, nil, "--backend", postgrestest.Schema(t))
}

// TestConformanceCommandMongoDB: the gateway that is built holds every rule over MongoDB.
func TestConformanceCommandMongoDB(t *testing.T) {
	t.Parallel()
	holdsAll(t, nil, "--backend", mongodbtest.Database(t))
}

// TestConformanceOneApp: all rules may share one app, with a web app behind the gateway, as where
// apps are not made by naming them.
func TestConformanceOneApp(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(app.Close)
	holdsAll(t, []string{"--workspace", "w", "--app", "mine"}, "--forward", app.URL)
}

// holdsAll runs the command against a gateway that is started with serve.
func holdsAll(t *testing.T, command []string, serve ...string) {
	t.Helper()
	o := operate(t, nil, append([]string{"--heartbeat", "1s"}, serve...)...)
	rules, only := share()
	arguments := slices.Concat([]string{"conformance", "--url", o.url}, command, only)
	out, err := secondgate(t, nil, arguments...)
	require.NoError(t, err, out)
	require.Equal(t, len(rules), strings.Count(out, "ok    "))
}

// share is which rules run: all of them, but a few light ones with the race detector, which makes
// SQLite 16 times slower. conformance/wire runs all rules with it, over the model.
func share() (rules []wire.Rule, only []string) {
	if !testing.Short() {
		return wire.Rules(), nil
	}
	ids := []string{"ws/welcome", "ws/answered-once", "rest/shapes", "sse/opening"}
	for _, id := range ids {
		r, _ := wire.Find(id)
		rules = append(rules, r)
	}
	return rules, []string{"--only", strings.Join(ids, ",")}
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
