package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// TestTokenRevoke: what it revokes is refused by a gateway that serves, and nothing else is.
func TestTokenRevoke(t *testing.T) {
	t.Parallel()
	backend := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	about := []string{
		"--jwt-secret-file", writeFile(t, strings.Repeat("s", 40)),
		"--jwt-issuer", "me", "--jwt-audience", "us",
	}
	issue := func(user string) (token string, claims jwt.MapClaims) {
		args := append([]string{"token", "--user", user, "--workspace", "w:owner"}, about...)
		out, err := secondgate(t, nil, args...)
		require.NoError(t, err, out)
		token = strings.TrimSpace(out)
		_, _, err = jwt.NewParser().ParseUnverified(token, &claims)
		require.NoError(t, err)
		return token, claims
	}
	revoke := func(args ...string) {
		out, err := secondgate(t, nil, append([]string{"token", "revoke", "--backend", backend}, args...)...)
		require.NoError(t, err, out)
	}

	out, err := secondgate(t, nil, "token", "revoke", "--backend", backend, "--user", "ada")
	require.Error(t, err, out)
	require.Contains(t, out, "there is no such SQLite file")
	o := operate(t, nil, append([]string{"--backend", backend, "--auth", "jwt"}, about...)...)
	ada, claims := issue("ada")
	require.InDelta(t, time.Now().Unix(), claims["iat"], 600)
	bob, bobs := issue("bob")
	require.NotEqual(t, claims["jti"], bobs["jti"])
	bobToo, _ := issue("bob")
	status := func(token string) int {
		address := client.DataURL(o.url, protocol.Scope{Workspace: "w", App: "a"}, "")
		a, err := client.Do(t.Context(), "GET", address, "", "Authorization: Bearer "+token)
		require.NoError(t, err)
		return a.Status
	}
	for _, token := range []string{ada, bob, bobToo} {
		require.Equal(t, 200, status(token))
	}
	revoke("--user", "ada")
	revoke("--id", bobs["jti"].(string))
	for _, token := range []string{ada, bob} {
		require.Eventually(t, func() bool { return status(token) == 401 }, time.Minute, 100*time.Millisecond)
	}
	require.Equal(t, 200, status(bobToo))
}

// TestTokenRevokeRefusals says what to write.
func TestTokenRevokeRefusals(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"with either --user or --id":          {},
		"name what to revoke":                 {"--user", "ada", "--id", "x"},
		"--for is 0s":                         {"--user", "ada", "--for", "0s"},
		"the backend is not supported":        {"--user", "ada", "--backend", "oracle:x"},
		"direct connection is not supported:": {"--user", "ada", "--backend-direct", "http://x"},
	} {
		out, err := secondgate(t, nil, append([]string{"token", "revoke"}, args...)...)
		require.Error(t, err)
		require.Contains(t, out, says)
	}
}
