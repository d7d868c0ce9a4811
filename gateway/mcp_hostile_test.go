package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
)

// TestMCPHostile: whoever is not the agent that it says gets nothing.
func TestMCPHostile(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		initialize := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
		post := func(token string, more ...string) *client.Reply {
			headers := append(
				[]string{"Content-Type: application/json", "Accept: application/json, text/event-stream"},
				more...)
			if token != "" {
				headers = append(headers, "Authorization: Bearer "+token)
			}
			reply, err := client.Do(m.Context(), "POST", m.url+"/mcp", initialize, headers...)
			require.NoError(m, err)
			return &reply
		}
		good := agentToken(m.T, agentClaims(nil))
		require.Equal(m, 200, post(good).Status)
		for name, token := range map[string]string{
			"nobody":             "",
			"a person's token":   tokenFor(m.T, "owner", time.Hour, roles{"w": "owner"}, nil),
			"another audience":   agentToken(m.T, agentClaims(jwt.MapClaims{"aud": "another"})),
			"another issuer":     agentToken(m.T, agentClaims(jwt.MapClaims{"iss": "another"})),
			"expired":            agentToken(m.T, agentClaims(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})),
			"no agent":           agentToken(m.T, agentClaims(jwt.MapClaims{"agent": nil})),
			"an agent of no app": agentToken(m.T, agentClaims(jwt.MapClaims{"agent": map[string]string{"id": "e1", "workspace": "w"}})),
			"the reserved scope": agentToken(m.T, agentClaims(jwt.MapClaims{"agent": map[string]string{"id": "e1", "workspace": "w", "app": "a__system"}})),
		} {
			reply := post(token)
			require.Equal(m, 401, reply.Status, "%s: %s", name, reply.Body)
			require.Contains(
				m,
				reply.Header.Get("WWW-Authenticate"),
				"/.well-known/oauth-protected-resource/mcp",
				name,
			)
		}
		require.Equal(m, 403, post(good, "Origin: http://evil.example").Status)
		require.Equal(m, 401, m.data(good), "an agent's token opens no door for people")

		reply, err := client.Do(m.Context(), "GET", m.url+"/.well-known/oauth-protected-resource/mcp", "")
		require.NoError(m, err)
		require.Contains(m, reply.Body, `"resource":"`+m.url+`/mcp"`)

		other := &mcpTrial{agents: m.agents}
		other.session = other.connect(agentToken(m.T, agentClaims(jwt.MapClaims{
			"agent": map[string]string{"id": "e1", "workspace": "w", "app": "b", "version": "draft"},
		})), "")
		require.Contains(m, other.call(nil, "query", `{"collection":"leads"}`), "App was not found")

		initialize = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"collection":"` +
			strings.Repeat(
				"x",
				10<<20,
			) + `"}}}`
		require.Equal(m, 413, post(good).Status)
	})
}

// data asks for documents by the door for people.
func (m *mcpTrial) data(token string) int {
	m.Helper()
	reply, err := client.Do(
		m.Context(),
		"GET",
		m.url+appPath+"/data?version=draft&collection=leads",
		"",
		"Authorization: Bearer "+token,
	)
	require.NoError(m, err)
	return reply.Status
}
