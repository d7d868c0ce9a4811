package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
)

// onModel runs a check over the model alone, with a cap that is out of the way.
func onModel(t *testing.T, check func(m *mcpTrial)) {
	t.Parallel()
	url := serve(t, harnesses()["model"].Open(t), withMCP, func(c *gateway.Config) { c.Agents.Cap = 5000 })
	m := &mcpTrial{agents: &agents{t, url}, updated: make(chan string, 100)}
	require.Equal(t, 200, m.person(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
	m.session = m.connect(agentToken(t, agentClaims(nil)), "")
	check(m)
}

// fills has the agent insert documents d0, d1, ….
func (m *mcpTrial) fills(n int, data string) {
	m.Helper()
	for from := 0; from < n; from += 1000 {
		var operations []string
		for i := from; i < min(n, from+1000); i++ {
			operations = append(operations,
				fmt.Sprintf(`{"operation":"insert","collection":"leads","docId":"d%d","data":%s}`, i, data))
		}
		m.call(&struct{}{}, "write", `{"operations":[`+strings.Join(operations, ",")+`]}`)
	}
}

// count is how many documents there are.
func (m *mcpTrial) count() int {
	m.Helper()
	var found struct{ Count int }
	m.call(&found, "query", `{"collection":"leads","count":true,"limit":1,"fields":[]}`)
	return found.Count
}

// TestDeletionOfManyIsWhole: of a deletion in several transactions nothing is done if one document, wherever,
// has changed.
func TestDeletionOfManyIsWhole(t *testing.T) {
	onModel(t, func(m *mcpTrial) {
		m.fills(1100, `{"old":true}`)
		var shown struct {
			Matches int
			Token   string
		}
		m.call(&shown, "delete_where", `{"collection":"leads","where":{"old":true}}`)
		require.Equal(m, 1100, shown.Matches)
		path := appPath + "/data/d999?version=draft" // the last by _id
		require.Equal(m, 200, m.person(owner, "PATCH", path, `{"collection":"leads","data":{"n":1}}`).Status)
		require.Contains(m, m.call(nil, "delete_where", `{"token":"`+shown.Token+`"}`), "leads/d999")
		require.Equal(m, 1100, m.count())
	})
}

// TestDryRunIsBounded: a dry run shows as much as a write answers, and no more.
func TestDryRunIsBounded(t *testing.T) {
	onModel(t, func(m *mcpTrial) {
		var operations []string
		for i := range 12 {
			m.person(
				owner,
				"POST",
				appPath+"/data?version=draft",
				fmt.Sprintf(
					`{"collection":"leads","docId":"d%d","data":{"filler":%q}}`,
					i,
					strings.Repeat("x", 900<<10),
				),
			)
			operations = append(
				operations,
				fmt.Sprintf(`{"operation":"update","collection":"leads","docId":"d%d","data":{}}`, i),
			)
		}
		dry := `{"dryRun":true,"operations":[` + strings.Join(operations, ",") + `]}`
		require.Contains(m, m.call(nil, "write", dry), "what a dry run would show")
	})
}

// raw calls a tool without the SDK's client, which writes JSON its own way.
func (m *mcpTrial) raw(name, arguments string) string {
	m.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":` + arguments + `}}`
	reply, err := client.Do(
		m.Context(),
		"POST",
		m.url+"/mcp",
		body,
		"Content-Type: application/json",
		"Accept: application/json, text/event-stream",
		"Authorization: Bearer "+agentToken(m.T, agentClaims(nil)),
	)
	require.NoError(m, err)
	require.Equal(m, 200, reply.Status, reply.Body)
	return reply.Body
}

// TestMCPEmptyFilters: no upsert changes whichever document comes first.
func TestMCPEmptyFilters(t *testing.T) {
	onModel(t, func(m *mcpTrial) {
		m.fills(1, `{"n":1}`)
		for _, says := range []string{
			m.raw("update_app_data", `{"collection":"leads","operation":"upsert","filter":{ },"data":{"n":2}}`),
			m.raw("update_app_data", `{"collection":"leads","operation":"upsert","data":{"n":2}}`),
			m.raw("write", `{"operations":[{"operation":"upsert","collection":"leads","filter":{},"data":{"n":2}}]}`),
		} {
			require.Contains(m, says, "filter is empty")
		}
		require.Contains(m, m.raw("read_app_data", `{"collection":"leads","docId":"d0"}`), `\"n\": 1`)
	})
}

// TestMCPStrangeIDs: what names nothing is not found, on every database.
func TestMCPStrangeIDs(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		for _, id := range []string{"\x00", strings.Repeat("x", 5000), "../x", "%", "é"} {
			name, _ := json.Marshal(id)
			require.Contains(m, m.call(nil, "delete_where", `{"token":`+string(name)+`}`), "not_found")
			require.Contains(m, m.call(nil, "undo", `{"changeSet":`+string(name)+`}`), "not_found")
			var waits struct{ NeedsApproval bool }
			six := strings.TrimSuffix(
				strings.Repeat(`{"operation":"insert","collection":"leads","data":{}},`, 6),
				",",
			)
			m.call(&waits, "write", `{"approvalId":`+string(name)+`,"operations":[`+six+`]}`)
			require.True(m, waits.NeedsApproval)
		}
		path := appPath + "/agents/requests/%00?version=draft"
		require.Equal(m, 404, m.person(owner, "POST", path, `{"allow":true}`).Status)
	})
}

// TestMCPForgedAnswer: an answer to a question that nobody asked allows nothing.
func TestMCPForgedAnswer(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		six := strings.TrimSuffix(
			strings.Repeat(`{"operation":"insert","collection":"leads","data":{}},`, 6),
			",",
		)
		r, err := m.session.CallTool(m.Context(), &sdk.CallToolParams{
			Name: "write", Arguments: json.RawMessage(`{"operations":[` + six + `]}`),
			InputResponses: sdk.InputResponseMap{"allow": &sdk.ElicitResult{Action: "accept"}},
		})
		require.NoError(m, err)
		require.Contains(m, r.Content[0].(*sdk.TextContent).Text, `"needsApproval":true`)
		require.Zero(m, m.count())
	}, believesClients)
}

// TestMCPStops: a gateway that stops does not wait for clients that listen or wait.
func TestMCPStops(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	host := server.Listener.Addr().String()
	config := gateway.DefaultConfig()
	config.Hosts, config.Origins = []string{host}, []string{"http://" + host}
	config.Log = slog.New(slog.DiscardHandler)
	withMCP(&config)
	g, err := gateway.New(context.Background(), harnesses()["model"].Open(t), config)
	require.NoError(t, err)
	server.Config.Handler = g.Handler(nil)
	server.Start()
	defer server.Close()
	m := &mcpTrial{agents: &agents{t, server.URL}, updated: make(chan string, 100)}
	require.Equal(t, 200, m.person(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
	m.session = m.connect(agentToken(t, agentClaims(nil)), "")
	require.NoError(
		t,
		m.session.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "secondgate://collections/leads"}),
	)
	var now struct{ Cursor string }
	m.call(&now, "changes_since", `{}`)
	waited := make(chan struct{})
	go func() { // it is refused, or ends without its 50 s: whichever comes first
		defer close(waited)
		_, _ = m.session.CallTool(context.Background(), &sdk.CallToolParams{
			Name: "wait_for_changes", Arguments: json.RawMessage(`{"cursor":"` + now.Cursor + `"}`),
		})
	}()
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stopped := make(chan struct{})
	go func() { g.Shutdown(deadline); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(2 * time.Minute):
		require.Fail(t, "the gateway did not stop")
	}
	require.NoError(t, deadline.Err(), "it stopped by itself")
	<-waited
}

// TestAgentsDoNotUseEachOthers: change sets and tokens of one agent are nothing to another with the same
// rights.
func TestAgentsDoNotUseEachOthers(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		both := `{"agents":[{"id":"e1","dataCollections":["leads"]},{"id":"e2","dataCollections":["leads"]}]}`
		require.Equal(m, 200, m.person(creator, "POST", approvalURL, `{"agentsJson":`+both+`}`).Status)
		other := &mcpTrial{agents: m.agents, updated: m.updated}
		other.session = other.connect(agentToken(m.T, agentClaims(map[string]any{
			"agent": map[string]string{"id": "e2", "workspace": "w", "app": "a", "version": "draft"},
		})), "")
		other.call(&struct{}{}, "query", `{"collection":"leads"}`)
		var wrote struct{ ChangeSet, Token string }
		m.call(&wrote, "write", `{"operations":[{"operation":"insert","collection":"leads","data":{"n":1}}]}`)
		m.call(&wrote, "delete_where", `{"collection":"leads","where":{}}`)
		require.Contains(m, other.call(nil, "undo", `{"changeSet":"`+wrote.ChangeSet+`"}`), "not_found")
		require.Contains(m, other.call(nil, "delete_where", `{"token":"`+wrote.Token+`"}`), "not_found")
		require.Equal(m, 1, m.count())
	})
}
