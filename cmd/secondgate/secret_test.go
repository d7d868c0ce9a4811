package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// ways are the ways by which a value reaches the program. Each returns a command line, after it has
// set the environment and written files.
var ways = []func(t *testing.T, value string) []string{
	func(_ *testing.T, v string) []string { return []string{"serve", "--backend", v} },
	func(t *testing.T, v string) []string { t.Setenv("SECONDGATE_BACKEND", v); return []string{"serve"} },
	func(t *testing.T, v string) []string {
		t.Setenv("SECONDGATE_BACKEND_FILE", writeFile(t, v+"\n"))
		return []string{"serve"}
	},
	func(t *testing.T, v string) []string { return inFile(t, map[string]any{"backend": v}) },
	func(_ *testing.T, v string) []string { return []string{"check", "--backend", v} },
	func(t *testing.T, v string) []string {
		t.Setenv("SECONDGATE_BACKEND_FILE", writeFile(t, v))
		return []string{"check"}
	},
	direct("serve"), direct("check"),
	// The value in the wrong place.
	func(t *testing.T, v string) []string {
		t.Setenv("SECONDGATE_BACKEND_FILE", v)
		return []string{"serve"}
	},
	func(_ *testing.T, v string) []string { return []string{"serve", "--config", v} },
	func(t *testing.T, v string) []string { return []string{"serve", "--config", writeFile(t, v)} },
	func(t *testing.T, v string) []string { return inFile(t, map[string]any{"backend": []string{v}}) },
	func(t *testing.T, v string) []string {
		return inFile(t, map[string]any{"backend": map[string]string{v: v}})
	},
	func(t *testing.T, v string) []string { return inFile(t, map[string]any{"heartbeat": v}) },
	func(t *testing.T, v string) []string { return inFile(t, map[string]any{v: "x"}) },
	func(t *testing.T, v string) []string {
		t.Setenv("SECONDGATE_HEARTBEAT", "30"+v)
		return []string{"serve"}
	},
	func(t *testing.T, v string) []string {
		t.Setenv("SECONDGATE_NON_LOOPBACK", v)
		return []string{"serve"}
	},
	func(_ *testing.T, v string) []string { return []string{"serve", v} },
	func(_ *testing.T, v string) []string { return []string{v} },
	func(_ *testing.T, v string) []string { return []string{"serve", "--" + v} },
	func(_ *testing.T, v string) []string { return []string{"serve", "--bakend", v} },
	func(_ *testing.T, v string) []string { return []string{"serve", "--bakend=" + v} },
	setting("serve", "forward"), setting("serve", "listen"), setting("serve", "admin"),
	setting("serve", "log-level"),
	setting("serve", "allowed-host"), setting("serve", "allowed-origin"), setting("serve", "retention"),
	setting("serve", "plain-sockets"), setting("healthcheck", "admin"), setting("conformance", "url"),
	setting("conformance", "list"),
	func(_ *testing.T, v string) []string {
		return []string{"serve", "--tls-key", "-----BEGIN KEY\n" + v, "--tls-cert", "x"}
	},
}

func setting(command, name string) func(t *testing.T, value string) []string {
	return func(_ *testing.T, v string) []string { return []string{command, "--" + name + "=" + v} }
}

func direct(command string) func(t *testing.T, value string) []string {
	return func(_ *testing.T, v string) []string {
		return []string{command, "--backend", "postgres://127.0.0.1:1/d", "--backend-direct", v}
	}
}

func inFile(t *testing.T, values map[string]any) []string {
	text, err := json.Marshal(values)
	require.NoError(t, err)
	return []string{"serve", "--config", writeFile(t, string(text))}
}

// secrets stand for PW in a seed: what must be percent-encoded in a URL stands between two halves,
// of which no output may have either.
const leftHalf, rightHalf = "c4n4ry", "zq7xw9"

var secrets = []string{
	leftHalf + rightHalf, leftHalf + "/" + rightHalf, leftHalf + "@" + rightHalf,
	leftHalf + ":1/" + rightHalf, leftHalf + "#" + rightHalf,
	leftHalf + "?" + rightHalf, leftHalf + "%" + rightHalf, leftHalf + "%40" + rightHalf,
	leftHalf + " " + rightHalf, "12/" + leftHalf + rightHalf, "12?" + leftHalf,
}

// malformed are values that hold a password where a driver, a parser or a person finds it.
var malformed = []string{
	"PW", "host=h user=u password=PW", "postgres:/u:PW@h", "postgres://u:PW@h:port/d",
	"host=h password='PW'", "postgres//u:PW@h", "postgres:u:PW@h",
	"postgres://u:PW@h/d", "postgres://u:PW@127.0.0.1:1/d?schema=a;b=c", "postgres://h/d?user=u&password=PW",
	"postgres://h:PW/d", "postgres://u:%zzPW@h/d", "postgres:///d?password=PW", "Postgres://u:PW@h",
	"postgresql://u:PW@h1:1,h2:2/d", "mongodb:/u:PW@h", "mongodb:u:PW@h", "mongodb://u:PW@h/d",
	"mongodb://u:PW@h1,h2/d",
	"mongodb://u:PW@127.0.0.1:1/d?connectTimeoutMS=1", "mongodb://u:PW", "mongodb//u:PW@h",
	"mongodb+srv://u:PW@:1/d",
	"mysql://u:PW@h/d", "sqlite://u:PW@h/d", "sqlite:postgres://u:PW@h", "sqlite:?password=PW",
	"http://u:PW@127.0.0.1:1",
	"http://u:PW@h:port", "http://127.0.0.1:1/?token=PW", "//u:PW@h", "u:PW@h", "u:PW@h:80",
	"https://u:PW@app.example.com",
	`"postgres://u:PW@h"`, `{"backend": postgres://u:PW@h}`, `{"backend": "postgres://u:PW@h",}`,
	`{"heartbeat": "PW"}`, `["PW"]`, `{"PW": 1}`, "\nPW", "postgres://u:PW@h\n", "-PW", "--backend=PW",
	"127.0.0.1:PW",
}

// FuzzConfigurationShowsNoSecret starts the program with a malformed configuration that holds a
// password: no output holds it, neither as it is nor percent-encoded, and no part of it.
func FuzzConfigurationShowsNoSecret(f *testing.F) {
	for i, value := range malformed {
		for way := range ways {
			if way < 8 || i < 4 { // the flags of a database take each value, every flag the first ones
				f.Add(value, secrets[0], uint8(way))
			}
		}
		for n, secret := range secrets[1:] {
			if !testing.Short() || (i+n)%4 == 0 {
				f.Add(value, secret, uint8((i+n)%8))
			}
		}
	}
	f.Fuzz(func(t *testing.T, value, secret string, way uint8) {
		value = strings.ReplaceAll(value, "PW", secret)
		asksDNS := strings.HasPrefix(value, "mongodb+srv://") && !strings.Contains(value, "@:")
		if strings.ContainsRune(value, 0) || strings.HasPrefix(value, "sqlite:/") || asksDNS {
			return // the environment takes no NUL; a file would be made, or a name server asked
		}
		if isHostWithHalf(value) {
			return // nobody can tell it from the name of a host
		}
		t.Chdir(t.TempDir())
		t.Setenv("SECONDGATE_LISTEN", "127.0.0.1:0")
		t.Setenv("SECONDGATE_ADMIN", "")
		t.Setenv("SECONDGATE_LOG_LEVEL", "debug")
		args := ways[int(way)%len(ways)](t, value)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what would serve ends, and no driver waits for a server
		var out bytes.Buffer
		execute(ctx, args, &out, &out)
		shown := strings.ToLower(out.String())
		decoded, _ := url.PathUnescape(strings.ReplaceAll(shown, "%(", "("))
		for _, part := range []string{leftHalf, rightHalf} {
			require.NotContains(t, shown, part, "%q", args)
			require.NotContains(t, decoded, part, "%q", args)
		}
	})
}

// isHostWithHalf reports whether a value is an address in whose host a half of the secret stands.
func isHostWithHalf(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	for _, address := range []string{value, "http://" + value} {
		u, err := url.Parse(address)
		if err == nil && (strings.Contains(u.Host, leftHalf) || strings.Contains(u.Host, rightHalf)) {
			return true
		}
	}
	return false
}

// TestDriversShowNoSecret: with a server that is not there, the driver's own errors are shown.
func TestDriversShowNoSecret(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://u" + leftHalf + ":" + rightHalf + "@127.0.0.1:1/d" + leftHalf,
		"mongodb://u" + leftHalf + ":" + rightHalf + "@127.0.0.1:1/d" + leftHalf,
	} {
		for _, out := range refusalsOf(t, address) {
			require.NotContains(t, out, "panic")
		}
	}
}

// refusalsOf is what the commands say to an address that no database answers to. It holds no half of
// the secret.
func refusalsOf(t *testing.T, address string) (says []string) {
	t.Helper()
	for _, command := range []string{"serve", "check"} {
		environment := []string{
			"SECONDGATE_LISTEN=127.0.0.1:0", "SECONDGATE_ADMIN=", "SECONDGATE_BACKEND=" + address,
		}
		out, err := secondgate(t, environment, command)
		require.Error(t, err)
		require.NotContains(t, out, leftHalf)
		require.NotContains(t, out, rightHalf)
		says = append(says, out)
	}
	return says
}

// TestServersShowNoSecret: a server says the user and the database that it refuses. A password may
// have slipped into either.
func TestServersShowNoSecret(t *testing.T) {
	t.Parallel()
	there, err := url.Parse(postgrestest.URL(t))
	require.NoError(t, err)
	user := *there
	user.User = url.UserPassword(leftHalf, rightHalf)
	database := *there
	database.Path = "/" + leftHalf
	for _, address := range []string{user.String(), database.String()} {
		for _, out := range refusalsOf(t, address) {
			require.Contains(t, out, "SQLSTATE")
		}
	}
}

// TestWellFormedAddressesAreShown by scheme and hosts alone.
func TestWellFormedAddressesAreShown(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"sqlite:./a b%zz.db": "sqlite:./a b%zz.db", "": "", "postgres://u:pw@h/d": "postgres://h",
		"postgres://u:pw@h1:1,h2:2/d?sslmode=require": "postgres://h1:1,h2:2",
		"postgres:///d?host=/tmp":                     "postgres://",
		"mongodb+srv://u:p@h.example/d":               "mongodb+srv://h.example",
		"postgres://u:pw@[::1]:5432/d":                "postgres://[::1]:5432",
		"postgres://u@v:pw@h/d":                       "postgres://h",
	} {
		require.Equal(t, want, redact(address), address)
		if address != "" {
			require.NoError(t, checkAddress(address), address)
		}
	}
	out, _ := secondgate(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "",
		"--backend", "postgres://u:pw@127.0.0.1:1/d")
	require.Contains(t, out, "the configuration in effect")
	require.Contains(t, out, "backend=postgres://127.0.0.1:1")
}
