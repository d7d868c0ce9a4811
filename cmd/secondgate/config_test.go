package main

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// parse parses a command line of serve with a configuration file ("": none).
func parse(t *testing.T, file string, args ...string) (serve, error) {
	t.Helper()
	args = append([]string{"serve"}, args...)
	if file != "" {
		args = append(args, "--config", writeFile(t, file))
	}
	c := &commands{}
	parser, err := newParser(c, kong.Exit(func(int) {}))
	require.NoError(t, err)
	_, err = parseArgs(parser, args)
	return c.Serve, err
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestConfigPrecedence: flag, environment, file, default.
func TestConfigPrecedence(t *testing.T) {
	c, err := parse(t, "")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", c.Listen)
	require.Equal(t, defaultAdmin, c.Admin)

	const file = `{"listen": "file:1", "admin": "file:2", "heartbeat": "7s", "non-loopback": true, "allowed-origin": ["https://a.example", "https://b.example"]}`
	c, err = parse(t, file)
	require.NoError(t, err)
	require.Equal(t, "file:1", c.Listen)
	require.Equal(t, 7*time.Second, c.Heartbeat)
	require.True(t, c.NonLoopback)
	require.Equal(t, []string{"https://a.example", "https://b.example"}, c.AllowedOrigin)
	require.Equal(t, 24*time.Hour, c.Retention)

	t.Setenv("SECONDGATE_LISTEN", "env:1")
	t.Setenv("SECONDGATE_ADMIN", "")
	t.Setenv("SECONDGATE_NON_LOOPBACK", "false")
	c, err = parse(t, file, "--heartbeat", "9s")
	require.NoError(t, err)
	require.Equal(t, "env:1", c.Listen)
	require.Empty(t, c.Admin, "set to nothing is set")
	require.False(t, c.NonLoopback)
	require.Equal(t, 9*time.Second, c.Heartbeat)
	c, err = parse(t, file, "--listen", "flag:1")
	require.NoError(t, err)
	require.Equal(t, "flag:1", c.Listen)
}

func TestConfigFromEnvironment(t *testing.T) {
	t.Setenv("SECONDGATE_CONFIG", writeFile(t, `{"listen": "file:1"}`))
	c, err := parse(t, "")
	require.NoError(t, err)
	require.Equal(t, "file:1", c.Listen)
}

func TestConfigRefusals(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{`{"listne": "x"}`, `sets "listne", which is no flag: did you mean "listen"?`},
		{`{"alowed-orgin": []}`, `did you mean "allowed-origin"?`},
		{`{"config": "x"}`, `sets "config", which is no flag`},
		{`{"listen": null}`, `to null`},
		{`[]`, `is no JSON object`},
		{`{"listen": `, `is no JSON object`},
		{`{"heartbeat": "soon"}`, `heartbeat`},
		{`{"heartbeat": "30"}`, `write a number with its unit, such as "30s"`},
		{`{"heartbeat": 30}`, `another kind: write a number with its unit, such as "30s"`},
		{`{"retention": 86400}`, `"30s"`},
		{`{"heartbeat": "30ms"}`, `--heartbeat is 30ms: it must be from 1s to 1m0s`},
		{`{"heartbeat": "61s"}`, `it must be from 1s to 1m0s`},
		{`{"retention": "0"}`, `--retention is 0s: it must be at least 1m0s`},
		{`{"retention": "-24h"}`, `it must be at least 1m0s`},
		{`{"drain-delay": "-1s"}`, `--drain-delay is -1s`},
		{`{"non-loopback": 1}`, `write true or false`},
		{`{"listen": 8080}`, `"listen" to a value of another kind`},
		{`{"allowed-origin": [1]}`, `"allowed-origin" to a value of another kind`},
		{`{"log-level": "loud"}`, `log-level`},
		{`{"connections": true}`, `"connections" to a value of another kind: write a whole number`},
		{`{"connections": -1}`, `--connections is -1: it must be from 0, which is no limit`},
		{`{"connections": "many"}`, `write a whole number`},
		{`{"trusted-proxy": [10]}`, `"trusted-proxy" to a value of another kind`},
	} {
		_, err := parse(t, c.file)
		require.ErrorContains(t, err, c.want, c.file)
	}
	for _, c := range []struct{ flag, value, want string }{
		{"--allowed-host", "https://app.example.com", "without a scheme"},
		{"--allowed-host", "*.example.com", "takes no patterns"},
		{"--allowed-host", "app.example.com/app", "is no host"},
		{"--allowed-host", "app.example.com:99999", "is no host"},
		{"--allowed-origin", "*", "takes no patterns"},
		{"--allowed-origin", "https://*.example.com", "takes no patterns"},
		{"--allowed-origin", "app.example.com", "is no origin"},
		{"--allowed-origin", "app.example.com:8443", "is no origin"},
		{"--allowed-origin", "https://app.example.com/page", "is no origin"},
		{"--allowed-origin", "https://app.example.com?x", "is no origin"},
		{"--forward", "http://u:p@127.0.0.1:3000", "no user and password"},
		{"--forward", "http://127.0.0.1:3000?x=1", "no query"},
		{"--forward", "127.0.0.1", "write a URL such as"},
		{"--listen", "8080", "write HOST:PORT"},
		{"--requests-per-second", "-5", "--requests-per-second is -5: it must be from 0"},
		{"--connections-per-user", "1.5", "write a whole number"},
		{"--bytes-per-second", "5TiB", "--bytes-per-second is 5497558138880: it must be from 0"},
		{"--trusted-proxy", "10.0.0.0/33", "is no network"},
		{"--trusted-proxy", "nginx", "write one such as 10.0.0.0/8"},
		{"--trusted-proxy", "10.0.0.1:80", "is no network"},
		{"--trusted-proxy", "fe80::1%eth0", "is no network"},
		{"--trusted-proxy", "0.0.0.0/0", "an address of its choice"},
		{"--trusted-proxy", "::ffff:0.0.0.0/96", "an address of its choice"},
		{"--tls-key", "-----BEGIN PRIVATE KEY-----", "take the names of files"},
		{"--bakend", "x", "unknown flag --bakend: did you mean --backend?"},
		{"--heartbeat", "soon", "the value of --heartbeat cannot be used: write a number with its unit"},
	} {
		_, err := parse(t, "", c.flag+"="+c.value)
		require.ErrorContains(t, err, c.want, c.value)
	}
	_, err := parse(t, "", "--config", "/nonexistent.json")
	require.ErrorContains(t, err, "the configuration cannot be read")
}

// TestHostsAndOriginsAreThoseOfBrowsers: what is meant is clear, so it is written as browsers do.
func TestHostsAndOriginsAreThoseOfBrowsers(t *testing.T) {
	t.Setenv("SECONDGATE_ALLOWED_ORIGIN", "HTTPS://App.Example.com:443/, http://a.example:80,"+
		"https://b.example:8443,null,chrome-extension://abcdef,http://[::1]:80")
	c, err := parse(t, "", "--allowed-host", "App.Example.com:443,b.example/,[::1]:9000,")
	require.NoError(t, err)
	require.Equal(t, []string{
		"https://app.example.com", "http://a.example", "https://b.example:8443", "null",
		"chrome-extension://abcdef", "http://[::1]",
	}, c.AllowedOrigin)
	require.Equal(t, []string{"app.example.com:443", "b.example", "[::1]:9000"}, c.AllowedHost)
}

// TestQuotas: the flags reach the gateway, with their defaults, and networks are as addresses are compared.
func TestQuotas(t *testing.T) {
	c, err := parse(t, "")
	require.NoError(t, err)
	var config gateway.Config
	c.quotas.set(&config)
	want := gateway.DefaultConfig()
	require.Equal(t, want.Connections, config.Connections)
	require.Equal(t, want.RequestRate, config.RequestRate)
	require.Equal(t, want.ByteRate, config.ByteRate)
	require.Empty(t, config.TrustedProxies)

	c, err = parse(t, `{"connections": 7, "connections-per-user": "5", "bytes-per-second": "1KiB"}`,
		"--connections-per-address=0", "--requests-per-second=3",
		"--trusted-proxy=10.1.2.3/8,192.0.2.1,,2001:db8::/32", "--trusted-proxy=::ffff:198.51.100.0/120")
	require.NoError(t, err)
	c.quotas.set(&config)
	require.Equal(t, limits.Most{All: 7, PerUser: 5}, config.Connections)
	require.Equal(t, limits.Rate{PerSecond: 3, Burst: 6}, config.RequestRate)
	require.Equal(t, limits.Rate{PerSecond: 1024, Burst: 4096}, config.ByteRate)
	require.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("198.51.100.0/24"),
	}, config.TrustedProxies)
}

// TestDefaultPortsAreLeftOut as browsers do, in Host and Origin.
func TestDefaultPortsAreLeftOut(t *testing.T) {
	t.Parallel()
	b, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	defer b.Close()
	memory := leastMemory
	c := serve{
		AllowedHost: []string{"app.example.com:443"}, Heartbeat: 25 * time.Second,
		Memory: &memory, DocumentBytes: mib,
		agentFlags:  agentFlags{AgentCap: 1, UndoRetention: time.Hour, DraftApprovals: "builders"},
		workerFlags: workerFlags{RunTimeLimit: time.Hour, Worker: "none"},
	}
	require.NoError(t, c.checkAgents())
	g, err := c.gateway(t.Context(), b, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, nil)
	require.NoError(t, err)
	defer g.Shutdown(expired())
	h := g.Handler(nil)
	for _, r := range []struct{ host, origin string }{
		{"localhost", "http://localhost"}, {"127.0.0.1", "http://127.0.0.1"}, {"[::1]", "http://[::1]"},
		{"localhost:80", ""}, {"app.example.com", ""}, {"app.example.com:443", "http://app.example.com:443"},
	} {
		require.Equal(t, http.StatusNotFound, askPath(t, h, "/nothing", r.host, r.origin), "%+v", r)
	}
	require.Equal(t, http.StatusForbidden, askPath(t, h, "/nothing", "evil.example", ""))
}

func TestConfigSecretFile(t *testing.T) {
	t.Setenv("SECONDGATE_BACKEND_FILE", writeFile(t, "sqlite:/secret.db\n"))
	c, err := parse(t, `{"backend": "sqlite:/file.db"}`)
	require.NoError(t, err)
	require.Equal(t, "sqlite:/secret.db", c.Backend)
	c, err = parse(t, "", "--backend", "sqlite:/flag.db")
	require.NoError(t, err)
	require.Equal(t, "sqlite:/flag.db", c.Backend)
	t.Setenv("SECONDGATE_BACKEND", "sqlite:/env.db")
	_, err = parse(t, "")
	require.ErrorContains(t, err, "both SECONDGATE_BACKEND and SECONDGATE_BACKEND_FILE are set")
	os.Unsetenv("SECONDGATE_BACKEND")
	t.Setenv("SECONDGATE_BACKEND_FILE", "/nonexistent")
	_, err = parse(t, "")
	require.ErrorContains(t, err, "SECONDGATE_BACKEND_FILE")
}

// TestLog: one line on stdout, JSON on stderr if asked for, what is in effect in one line, mistyped
// variables told.
func TestLog(t *testing.T) {
	t.Parallel()
	o := operate(t, []string{"SECONDGATE_HARTBEAT=1s", "SECONDGATE_LOG_FORMAT=json"})
	require.Regexp(t, `^secondgate serves sqlite:\./data/secondgate\.db on http://127\.0\.0\.1:\d+/\n$`, o.first)
	lines := strings.Split(strings.TrimSpace(o.log.String()), "\n")
	for _, line := range lines {
		require.True(t, strings.HasPrefix(line, `{"time":`), line)
	}
	require.Contains(t, o.log.String(), `"name":"SECONDGATE_HARTBEAT"`)
	require.Equal(t, 1, strings.Count(o.log.String(), `"backend":"sqlite:./data/secondgate.db"`))
	quiet := operate(t, []string{"SECONDGATE_LOG_LEVEL=error"})
	require.Empty(t, quiet.log.String())
}

// TestOperationsFlags holds the table of docs/operations.md to the flags.
func TestOperationsFlags(t *testing.T) {
	parser, err := newParser(&commands{})
	require.NoError(t, err)
	want := []string{}
	elsewhere := []string{"check", "healthcheck", "conformance", "audit", "agents"} // serve's, or on other pages
	for _, node := range allNodes(parser.Model.Node, elsewhere) {
		for _, f := range node.Flags {
			if f.Name == "help" || f.Name == "version" {
				continue
			}
			value := "none"
			if f.Default != "" {
				value = "`" + f.Default + "`"
			} else if f.IsBool() {
				value = "`false`"
			}
			want = append(want, "| `--"+f.Name+"` | `"+f.Envs[0]+"` | "+value+" |")
		}
	}
	slices.Sort(want)
	want = slices.Compact(want) // a flag of several commands is there once
	got := regexp.MustCompile("(?m)^\\| `--[^|]*\\|[^|]*\\|[^|]*\\|").FindAllString(operations(t), -1)
	require.ElementsMatch(t, want, got)
}

// allNodes are a command and all below it, but for some.
func allNodes(node *kong.Node, without []string) (all []*kong.Node) {
	if slices.Contains(without, node.Name) {
		return nil
	}
	all = append(all, node)
	for _, child := range node.Children {
		all = append(all, allNodes(child, without)...)
	}
	return all
}

// TestOperationsMetrics holds the table of docs/operations.md to what the registry has.
func TestOperationsMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	metrics.New(r).Withheld(protocol.Ref{})
	families, err := r.Gather()
	require.NoError(t, err)
	want := []string{} // a gateway adds these when it has a feed
	for _, name := range []string{"feed_lag_seconds", "held_bytes", "log_entries", "log_bytes"} {
		want = append(want, "| `secondgate_"+name+"` | gauge |")
	}
	for _, f := range families {
		want = append(want, "| `"+f.GetName()+"` | "+strings.ToLower(f.GetType().String())+" |")
	}
	got := regexp.MustCompile("(?m)^\\| `secondgate_[^|]*\\|[^|]*\\|").FindAllString(operations(t), -1)
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
}

func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	return string(text)
}
