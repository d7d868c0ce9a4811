package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
)

// agentClaims are those of a token for agent e1 of the draft of app a, with changes.
func agentClaims(changes jwt.MapClaims) jwt.MapClaims {
	claims := jwt.MapClaims{
		"iss": "issuer", "aud": "gateway", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"agent": map[string]string{"id": "e1", "workspace": "w", "app": "a", "version": "draft"},
	}
	for name, value := range changes {
		claims[name] = value
	}
	return claims
}

func agentToken(t rule.T, claims jwt.MapClaims) string {
	t.Helper()
	made := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	made.Header["typ"] = access.AgentKind
	text, err := made.SignedString(jwtSecret)
	require.NoError(t, err)
	return text
}

// withMCP has a gateway take tokens of agents, beside what withAgents does.
func withMCP(c *gateway.Config) {
	withAgents(c)
	c.Agents.Tokens = access.NewAgentJWT(access.Secret(jwtSecret), "issuer", "gateway")
	c.Agents.Cap = 5
}

// mcpTrial is a gateway with an agent that may use the draft's leads.
type mcpTrial struct {
	*agents
	session *sdk.ClientSession
	updated chan string // resources that the client was told about
	// asked is how the client asks its person; nil: it cannot.
	asked func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error)
}

// inMCP runs a check over each database.
func inMCP(t *testing.T, check func(m *mcpTrial), change ...func(*gateway.Config)) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := serve(t, h.Open(t), append([]func(*gateway.Config){withMCP}, change...)...)
			m := &mcpTrial{agents: &agents{t, at}, updated: make(chan string, 100)}
			require.Equal(
				t,
				200,
				m.person(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status,
			)
			m.session = m.connect(agentToken(t, agentClaims(nil)), "")
			check(m)
		})
	}
}

// withToken adds an Authorization header to every request.
type withToken string

func (token withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(token))
	return http.DefaultTransport.RoundTrip(r)
}

// connect is the official SDK's client, of an era of the protocol; by default the newest.
func (m *mcpTrial) connect(token, version string) *sdk.ClientSession {
	m.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ResourceUpdatedHandler: func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) {
			m.updated <- r.Params.URI
		},
		ElicitationHandler: m.asked,
	})
	session, err := c.Connect(m.Context(), &sdk.StreamableClientTransport{
		Endpoint: m.url + "/mcp", HTTPClient: &http.Client{Transport: withToken(token)}, MaxRetries: -1,
	}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	require.NoError(m, err)
	m.Cleanup(func() { _ = session.Close() })
	return session
}

// call calls a tool, and reads its answer into out (nil: the answer is an error, whose text is returned).
func (m *mcpTrial) call(out any, name string, arguments string) string {
	m.Helper()
	r, err := m.session.CallTool(
		m.Context(),
		&sdk.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)},
	)
	require.NoError(m, err, name)
	text := r.Content[0].(*sdk.TextContent).Text
	if out == nil {
		require.True(m, r.IsError, text)
		return text
	}
	require.False(m, r.IsError, text)
	require.NoError(m, json.Unmarshal([]byte(text), out), text)
	return text
}

// TestMCPTools: the tools are nine, described, with schemas that refuse what they do not know.
func TestMCPTools(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		listed, err := m.session.ListTools(m.Context(), nil)
		require.NoError(m, err)
		require.Len(m, listed.Tools, 9)
		for _, tool := range listed.Tools {
			require.NotEmpty(m, tool.Title)
			require.NotNil(m, tool.Annotations)
			schema, _ := json.Marshal(tool.InputSchema)
			require.Contains(m, string(schema), `"additionalProperties":false`)
			says := m.call(nil, tool.Name, `{"nonsense":1}`)
			require.Contains(m, says, `unknown field "nonsense"`, tool.Name)
			require.Contains(m, says, "the tool takes")
			if tool.Name == "query" || tool.Name == "update_app_data" {
				require.True(
					m,
					strings.HasSuffix(tool.Description, "Allowed collections: leads"),
					tool.Description,
				)
			}
		}
	})
}

// TestMCPWork is a day of an agent: describe, write, query, undo, delete, wait.
func TestMCPWork(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		var wrote struct {
			ChangeSet string
			Results   []struct {
				DocID, Rev string
				Created    bool
			}
		}
		m.call(&wrote, "write", `{"mutationId":"m1","operations":[
			{"operation":"insert","collection":"leads","docId":"ada","data":{"score":7,"tags":["x"]}},
			{"operation":"insert","collection":"leads","data":{"score":3}},
			{"operation":"upsert","collection":"leads","filter":{"email":"b"},"data":{"score":9}}]}`)
		require.Len(m, wrote.Results, 3)
		require.True(m, wrote.Results[2].Created)
		var again struct{ Replayed bool }
		m.call(&again, "write", `{"mutationId":"m1","operations":[
			{"operation":"insert","collection":"leads","docId":"ada","data":{"score":7,"tags":["x"]}},
			{"operation":"insert","collection":"leads","data":{"score":3}},
			{"operation":"upsert","collection":"leads","filter":{"email":"b"},"data":{"score":9}}]}`)
		require.True(m, again.Replayed)

		var described struct {
			Agent, Cursor string
			Collections   []struct {
				Name   string
				Count  int
				Fields []struct {
					Name  string
					Types []string
					In    int
				}
			}
		}
		m.call(&described, "describe_data", `{}`)
		require.Equal(m, "e1", described.Agent)
		require.Len(m, described.Collections, 1)
		require.Equal(m, 3, described.Collections[0].Count)
		require.Equal(m, "score", described.Collections[0].Fields[1].Name)
		require.Equal(m, []string{"number"}, described.Collections[0].Fields[1].Types)

		var found struct {
			Docs  []map[string]any
			Count int
			Next  string
		}
		m.call(
			&found,
			"query",
			`{"collection":"leads","where":{"score":{"$gte":7}},"order":["-score"],"count":true,"limit":1}`,
		)
		require.Equal(m, 2, found.Count)
		require.Equal(m, "b", found.Docs[0]["email"])
		m.call(
			&found,
			"query",
			`{"collection":"leads","where":{"score":{"$gte":7}},"order":["-score"],"after":"`+found.Next+`"}`,
		)
		require.Equal(m, "ada", found.Docs[0]["_id"])

		var dry struct {
			Differences []struct{ Before, After map[string]any }
		}
		m.call(
			&dry,
			"write",
			`{"dryRun":true,"operations":[{"operation":"update","collection":"leads","docId":"ada","data":{"score":8}},
			{"operation":"upsert","collection":"leads","filter":{"score":8},"data":{"note":"the same"}}]}`,
		)
		require.Equal(m, 7.0, dry.Differences[0].Before["score"])
		require.Equal(
			m,
			map[string]any{"_id": "ada", "note": "the same", "score": 8.0, "tags": []any{"x"}},
			dry.Differences[1].After,
		)

		require.Contains(
			m,
			m.call(
				nil,
				"write",
				`{"operations":[{"operation":"update","collection":"leads","docId":"ada","ifRev":"x","data":{}}]}`,
			),
			"conflict",
		)
		require.Contains(
			m,
			m.call(nil, "write", `{"operations":[{"operation":"insert","collection":"notes","data":{}}]}`),
			"forbidden",
		)
		m.waits(described.Cursor)

		var undone struct{ Documents int }
		m.call(&undone, "undo", `{"changeSet":"`+wrote.ChangeSet+`"}`)
		require.Equal(m, 3, undone.Documents)
		m.call(&described, "describe_data", `{"collection":"leads"}`)
		require.Zero(m, described.Collections[0].Count)
		require.Contains(m, m.call(nil, "undo", `{"changeSet":"nothing"}`), "not_found")
	})
}

// waits: what a person does meanwhile ends a wait.
func (m *mcpTrial) waits(cursor string) {
	m.Helper()
	type changes struct {
		Cursor  string
		Changes []struct {
			Collection, Operation, DocID string
			Doc                          map[string]any
		}
	}
	// A cursor of now can be of a moment ago: the feed tells of earlier writes still. This write
	// comes after them.
	require.Equal(
		m,
		201,
		m.person(
			owner,
			"POST",
			appPath+"/data?version=draft",
			`{"collection":"leads","docId":"mark","data":{}}`,
		).Status,
	)
	require.Equal(
		m,
		200,
		m.person(owner, "DELETE", appPath+"/data/mark?version=draft&collection=leads", "").Status,
	)
	none := changes{Cursor: cursor}
	for marked := false; !marked; {
		var told changes
		m.call(&told, "wait_for_changes", `{"cursor":"`+none.Cursor+`","seconds":50}`)
		require.NotEmpty(m, told.Changes, "the mark's deletion is told")
		for _, c := range told.Changes {
			marked = marked || c.DocID == "mark" && c.Operation == "delete"
		}
		none = told
	}
	var some changes
	m.call(&none, "changes_since", `{"cursor":"`+none.Cursor+`"}`)
	require.Empty(m, none.Changes)
	wrote := make(chan int)
	go func() {
		wrote <- m.person(owner, "POST", appPath+"/data?version=draft", `{"collection":"notes","docId":"n","data":{}}`).Status
		wrote <- m.person(owner, "POST", appPath+"/data?version=draft", `{"collection":"leads","docId":"new","data":{"n":1}}`).Status
	}()
	require.Equal(m, 201, <-wrote)
	m.call(&some, "wait_for_changes", `{"cursor":"`+none.Cursor+`","seconds":50}`)
	require.Equal(m, 201, <-wrote)
	require.Len(m, some.Changes, 1, "what the agent may not read is left out")
	require.Equal(m, "new", some.Changes[0].DocID)
	require.Equal(m, 1.0, some.Changes[0].Doc["n"])
	m.call(&none, "wait_for_changes", `{"cursor":"`+some.Cursor+`","seconds":1}`)
	require.Empty(m, none.Changes)
	require.Equal(
		m,
		200,
		m.person(owner, "DELETE", appPath+"/data/new?version=draft&collection=leads", "").Status,
	)
	require.Contains(m, m.call(nil, "wait_for_changes", `{"cursor":"x","seconds":99}`), "seconds must be")
}
