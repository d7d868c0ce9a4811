package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
)

const anAgent = `{"agents":[{"id":"e1","dataCollections":["leads"]}]}`

// TestAgentsHash: the command prints the hashes that upstream's own functions made, and nothing else.
func TestAgentsHash(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../gateway/approvals/testdata/hashes.json")
	require.NoError(t, err)
	var vectors []struct{ AgentsJSON, Hash, Error string }
	require.NoError(t, json.Unmarshal(text, &vectors))
	for _, v := range vectors {
		out, err := secondgate(t, nil, "agents", "hash", writeFile(t, v.AgentsJSON))
		if v.Hash == "" {
			require.Error(t, err, out)
			require.Contains(t, out, v.Error)
			continue
		}
		require.NoError(t, err, out)
		require.Equal(t, v.Hash+"\n", out)
	}
}

// TestAgentsCommands: what the command line submits, approves and publishes, a gateway that serves the
// database obeys.
func TestAgentsCommands(t *testing.T) {
	t.Parallel()
	backend := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	token := strings.Repeat("t", 32)
	o := operate(t, []string{"INTERNAL_API_TOKEN=" + token}, "--backend", backend)
	agents := func(what string, more ...string) string {
		args := []string{"agents", what, "--backend", backend, "--workspace", "w", "--app", "a"}
		out, err := secondgate(t, nil, append(args, more...)...)
		require.NoError(t, err, out)
		return out
	}
	write := func(version, authorization string) client.Reply {
		reply, err := client.Do(
			t.Context(),
			"POST",
			o.url+"/api/internal/app-data-write",
			`{"workspaceId":"w","appId":"a","sourceVersion":"`+version+`","agentId":"e1","collection":"leads",`+
				`"operation":"insert","data":{}}`,
			"Authorization: Bearer "+authorization,
		)
		require.NoError(t, err)
		return reply
	}
	require.Equal(t, 401, write("draft", "x").Status)
	require.Equal(t, 403, write("draft", token).Status)

	hash, err := secondgate(t, nil, "agents", "hash", writeFile(t, anAgent))
	require.NoError(t, err)
	require.Equal(t, "saved "+hash, agents("submit", writeFile(t, anAgent)))
	require.Equal(t, "approved "+hash, agents("approve"))
	becomes := func(version string, status int) {
		t.Helper()
		require.Eventually(
			t,
			func() bool { return write(version, token).Status == status },
			time.Minute,
			100*time.Millisecond,
		)
	}
	becomes("draft", 200)
	require.Equal(t, 403, write("published", token).Status)
	require.Equal(t, "published "+hash, agents("publish"))
	becomes("published", 200)
	require.Equal(t, "approved "+hash, agents("approve", writeFile(t, anAgent)))

	var shown struct {
		Draft, Published struct {
			FileHash string
			Approved bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(agents("show")), &shown))
	require.True(t, shown.Draft.Approved && shown.Published.Approved)
	require.Equal(t, strings.TrimSpace(hash), shown.Draft.FileHash)
	wrote := write("published", token)
	require.Equal(t, 200, wrote.Status)
	undone := agents("undo", wrote.Header.Get("Second-Change-Set"))
	require.True(t, strings.HasPrefix(undone, "undid 1 documents; to undo that: "), undone)
	require.Equal(t, "saved", strings.Fields(agents("submit", writeFile(t, `{"appTools":[1]}`)))[0])
	becomes("draft", 403)
}

// TestAgentsRefusals says what to write.
func TestAgentsRefusals(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"the file cannot be read": {"agents", "hash", "/nowhere"},
		`--operations names "drop"`: {
			"token", "agent", "--agent-secret-file", writeFile(t, strings.Repeat("s", 40)), "--workspace", "w", "--app", "a",
			"--agent", "e1", "--operations", "read,drop",
		},
		"there is no agents.json":                          {"agents", "hash", writeFile(t, " ")},
		"there is no such SQLite file":                     {"agents", "show", "--workspace", "w", "--app", "a", "--backend", "sqlite:/nowhere/x.db"},
		"an app id cannot end in __system":                 {"agents", "show", "--workspace", "w", "--app", "a__system"},
		"--internal-token-file has 3 bytes":                {"serve", "--listen", "127.0.0.1:0", "--admin", "", "--internal-token-file", writeFile(t, "abc")},
		"write serve or forward=URL":                       {"serve", "--listen", "127.0.0.1:0", "--admin", "", "--agents", "nobody"},
		"the URL behind --agents forward= cannot be used":  {"serve", "--listen", "127.0.0.1:0", "--admin", "", "--agents", "forward"},
		"the file of --internal-token-file cannot be read": {"serve", "--listen", "127.0.0.1:0", "--admin", "", "--internal-token-file", "/nowhere"},
	} {
		out, err := secondgate(t, nil, args...)
		require.Error(t, err, says)
		require.Contains(t, out, says)
	}
}

// TestTokenAgent: the printed token opens /mcp of a gateway with the same secret, until it is revoked.
func TestTokenAgent(t *testing.T) {
	t.Parallel()
	backend, secret := "sqlite:"+filepath.Join(t.TempDir(), "x.db"), writeFile(t, strings.Repeat("s", 40))
	o := operate(t, nil, "--backend", backend, "--agent-secret-file", secret)
	token, err := secondgate(
		t,
		nil,
		"token",
		"agent",
		"--agent-secret-file",
		secret,
		"--workspace",
		"w",
		"--app",
		"a",
		"--draft",
		"--agent",
		"e1",
	)
	require.NoError(t, err, token)
	status := func() int {
		reply, err := client.Do(
			t.Context(),
			"POST",
			o.url+"/mcp",
			`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
			"Authorization: Bearer "+strings.TrimSpace(token),
			"Content-Type: application/json",
			"Accept: application/json, text/event-stream",
		)
		require.NoError(t, err)
		return reply.Status
	}
	require.Equal(t, 200, status())
	out, err := secondgate(t, nil, "token", "revoke", "--backend", backend, "--user", "agent:e1")
	require.NoError(t, err, out)
	require.Eventually(t, func() bool { return status() == 401 }, time.Minute, 100*time.Millisecond)
}

// TestTokenForOperations: the token says what it is for.
func TestTokenForOperations(t *testing.T) {
	t.Parallel()
	token, err := secondgate(
		t,
		nil,
		"token",
		"agent",
		"--agent-secret-file",
		writeFile(t, strings.Repeat("s", 40)),
		"--workspace",
		"w",
		"--app",
		"a",
		"--agent",
		"e1",
		"--operations",
		"insert,read",
	)
	require.NoError(t, err, token)
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	require.Contains(t, string(claims), `"operations":["read","insert"]`)
}
