package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

var crm = protocol.Scope{Workspace: "acme", App: "crm", Draft: true}

var forTokens = []string{"--jwt-issuer", "https://login.example.com", "--jwt-audience", "secondgate"}

// token prints a token for Ada with the flags of docs/security.md.
func adasToken(t *testing.T, flags ...string) string {
	t.Helper()
	out, err := secondgate(t, nil, append(append([]string{
		"token", "--user", "ada", "--name", "Ada", "--workspace", "acme:member", "--app", "crm:creator",
	}, forTokens...), flags...)...)
	require.NoError(t, err, out)
	require.Equal(t, 1, strings.Count(out, "\n"), "the token and nothing else")
	return strings.TrimSpace(out)
}

// asks asks for a draft with a header.
func asks(t *testing.T, url, header string) client.Reply {
	t.Helper()
	a, err := client.Do(t.Context(), "GET", client.DataURL(url, crm, ""), "", header)
	require.NoError(t, err)
	return a
}

// TestSecurityByToken: docs/security.md's commands, by a shared secret and by a key pair.
func TestSecurityByToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "jwt.secret")
	require.NoError(t, os.WriteFile(secret, []byte(strings.Repeat("s", 32)+"\n"), 0o600))
	private, set := filepath.Join(dir, "private.pem"), filepath.Join(dir, "jwks.json")
	keys, err := secondgate(t, nil, "token", "keys", "--out", private)
	require.NoError(t, err, keys)
	require.NoError(t, os.WriteFile(set, []byte(keys), 0o600))
	info, err := os.Stat(private)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = secondgate(t, nil, "token", "keys", "--out", private)
	require.Error(t, err, "a key is never overwritten")
	for name, flags := range map[string]struct{ serve, sign []string }{
		"secret": {[]string{"--jwt-secret-file", secret}, []string{"--jwt-secret-file", secret}},
		"keys":   {[]string{"--jwt-keys", set}, []string{"--jwt-private-key", private}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := operate(t, nil, append(append([]string{"--auth", "jwt"}, forTokens...), flags.serve...)...)
			require.Equal(t, 401, asks(t, o.url, "X: x").Status)
			token := adasToken(t, flags.sign...)
			require.Equal(t, 200, asks(t, o.url, "Authorization: Bearer "+token).Status)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := client.Dial(ctx, client.URL(o.url, crm), "second.bearer."+token)
			require.NoError(t, err)
			defer c.Cut()
			require.Equal(t, protocol.ReceivedUser{ID: "ada", Name: "Ada"}, c.Welcome.User)
		})
	}
}

// TestSecurityByHook: the web apps of examples/access-hook.
func TestSecurityByHook(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "hook")
	out, err := exec.Command("go", "build", "-o", program, "../../examples/access-hook").CombinedOutput()
	require.NoError(t, err, string(out))
	for name, command := range map[string][]string{
		"go": {program}, "node": {"node", "../../examples/access-hook/hook.mjs"},
	} {
		t.Run(name, func(t *testing.T) {
			at := freeAddress(t)
			hook := exec.Command(command[0], append(command[1:], at)...)
			require.NoError(t, hook.Start())
			t.Cleanup(func() {
				_ = hook.Process.Kill()
				_ = hook.Wait() // it was killed
			})
			o := operate(t, nil, "--auth", fmt.Sprintf("forward=http://%s/access", at))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for answered := 503; answered == 503; { // the hook begins
				require.NoError(t, ctx.Err())
				answered = asks(t, o.url, "Cookie: session=ada-session").Status
			}
			for session, want := range map[string]int{"ada-session": 200, "bob-session": 403, "eve": 401} {
				require.Equal(t, want, asks(t, o.url, "Cookie: session="+session).Status, session)
			}
			elsewhere := client.DataURL(o.url, protocol.Scope{Workspace: "other", App: "crm"}, "")
			a, err := client.Do(t.Context(), http.MethodGet, elsewhere, "", "Cookie: session=ada-session")
			require.NoError(t, err)
			require.Equal(t, 404, a.Status)
		})
	}
}

// TestAuthRefusals: settings that do not go together end the start with a sentence that says what to do, and
// no secret.
func TestAuthRefusals(t *testing.T) {
	t.Parallel()
	short := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(short, []byte("canary"), 0o600))
	jwt := func(flags ...string) []string {
		return append(append([]string{"--auth", "jwt"}, forTokens...), flags...)
	}
	for says, flags := range map[string][]string{
		"is no mode":                           {"--auth", "canary"},
		"takes no URL":                         {"--auth", "none=http://x"},
		"--auth jwt takes no URL":              {"--auth", "jwt=http://x"},
		"needs either --jwt-secret-file":       jwt(),
		"either --jwt-secret-file or":          jwt("--jwt-secret-file", short, "--jwt-keys", short),
		"needs --jwt-issuer":                   {"--auth", "jwt", "--jwt-secret-file", short},
		"are for --auth jwt":                   {"--jwt-issuer", "x"},
		"cannot be used: write one such as":    {"--auth", "forward=ftp://x"},
		"without a password":                   {"--auth", "forward=http://u:canary@127.0.0.1:1/"},
		"behind --auth forward= or second=":    {"--auth", "second="},
		"it needs at least 32":                 jwt("--jwt-secret-file", short),
		"--jwt-secret-file cannot be read":     jwt("--jwt-secret-file", short+"x"),
		"--jwt-keys cannot be read":            jwt("--jwt-keys", short+"x"),
		"--jwt-keys: there is no key in it":    jwt("--jwt-keys", short),
		"choose a mode with --auth, listen on": {"--listen", "0.0.0.0:0"},
	} {
		arguments := append([]string{
			"serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend", "sqlite:" + filepath.Join(t.TempDir(),
				"x.db"),
		}, flags...)
		out, err := secondgate(t, nil, arguments...)
		require.Error(t, err, flags)
		require.Contains(t, out, says, flags)
		require.NotContains(t, out, "canary", flags)
	}
}
