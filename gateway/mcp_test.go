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

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
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

// TestMCPDelete: a deletion deletes what was shown, or nothing; a large one waits for a person.
func TestMCPDelete(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		fill := func(n int) {
			for range n {
				require.Equal(
					m,
					201,
					m.person(
						owner,
						"POST",
						appPath+"/data?version=draft",
						`{"collection":"leads","data":{"old":true}}`,
					).Status,
				)
			}
		}
		type answer struct {
			Matches, Deleted, Documents int
			Token, ChangeSet            string
			First                       []map[string]any
			NeedsApproval               bool
			ApprovalID                  string
		}
		fill(3)
		var shown, done answer
		m.call(&shown, "delete_where", `{"collection":"leads","where":{"old":true}}`)
		require.Equal(m, 3, shown.Matches)
		id := shown.First[0]["_id"].(string)
		require.Equal(
			m,
			200,
			m.person(
				owner,
				"PATCH",
				appPath+"/data/"+id+"?version=draft",
				`{"collection":"leads","data":{"old":false}}`,
			).Status,
		)
		says := m.call(nil, "delete_where", `{"token":"`+shown.Token+`"}`)
		require.Contains(m, says, "leads/"+id)
		require.Contains(
			m,
			m.call(nil, "delete_where", `{"token":"`+shown.Token+`"}`),
			"not_found",
			"it is used up",
		)

		m.call(&shown, "delete_where", `{"collection":"leads","where":{"old":true}}`)
		m.call(&done, "delete_where", `{"token":"`+shown.Token+`"}`)
		require.Equal(m, 2, done.Deleted)
		var undone struct{ Documents int }
		m.call(&undone, "undo", `{"changeSet":"`+done.ChangeSet+`"}`)
		require.Equal(m, 2, undone.Documents)

		fill(10)
		m.call(&shown, "delete_where", `{"collection":"leads","where":{"old":true}}`)
		var waits, waitsStill answer
		m.call(&waits, "delete_where", `{"token":"`+shown.Token+`"}`)
		require.True(m, waits.NeedsApproval)
		require.Equal(m, 12, waits.Documents)
		m.call(&waitsStill, "delete_where", `{"token":"`+shown.Token+`","approvalId":"`+waits.ApprovalID+`"}`)
		require.Equal(m, waits.ApprovalID, waitsStill.ApprovalID, "nobody has allowed it yet")
		m.allow(waits.ApprovalID)
		m.call(&done, "delete_where", `{"token":"`+shown.Token+`","approvalId":"`+waits.ApprovalID+`"}`)
		require.Equal(m, 12, done.Deleted)
	})
}

// allow has people decide about a call that waits.
func (m *mcpTrial) allow(id string) {
	m.Helper()
	path := appPath + "/agents/requests"
	reply := m.person(helps, "GET", path+"?version=draft", "")
	require.Equal(m, 200, reply.Status)
	var waiting struct{ Items []approvals.Request }
	require.NoError(m, json.Unmarshal([]byte(reply.Body), &waiting))
	require.Len(m, waiting.Items, 1)
	require.Equal(m, id, waiting.Items[0].ID)
	require.Equal(m, 403, m.person(looksOn, "POST", path+"/"+id+"?version=draft", `{"allow":true}`).Status)
	require.Equal(m, 400, m.person(helps, "POST", path+"/"+id+"?version=draft", `{}`).Status)
	require.Equal(
		m,
		403,
		m.person(helps, "POST", path+"/"+id, `{"allow":true}`).Status,
		"the published one is for managers",
	)
	require.Equal(m, 200, m.person(helps, "POST", path+"/"+id+"?version=draft", `{"allow":true}`).Status)
	require.Equal(m, 404, m.person(helps, "POST", path+"/"+id+"?version=draft", `{"allow":true}`).Status)
}

// believesClients has a person's answer that a client passes on count.
func believesClients(c *gateway.Config) { c.Agents.Elicitation = true }

// TestMCPAsksThePerson: where clients are believed, one that can ask its person does, and the call
// goes on or not.
func TestMCPAsksThePerson(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		operations := strings.Repeat(`{"operation":"insert","collection":"leads","data":{}},`, 6)
		call := `{"operations":[` + strings.TrimSuffix(operations, ",") + `]}`
		for _, action := range []string{"accept", "decline", "cancel"} {
			m.asked = func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
				require.Contains(m, r.Params.Message, "Allow the agent e1 a write of 6 documents?")
				return &sdk.ElicitResult{Action: action, Content: map[string]any{}}, nil
			}
			m.session = m.connect(agentToken(m.T, agentClaims(nil)), "")
			r, err := m.session.CallTool(
				m.Context(),
				&sdk.CallToolParams{Name: "write", Arguments: json.RawMessage(call)},
			)
			require.NoError(m, err)
			says := r.Content[0].(*sdk.TextContent).Text
			if action == "accept" {
				require.Contains(m, says, `"changeSet"`)
			} else {
				require.Contains(m, says, "did not allow it")
			}
		}
		var waits struct{ NeedsApproval bool }
		m.asked = nil
		m.session = m.connect(agentToken(m.T, agentClaims(nil)), "")
		m.call(&waits, "write", call)
		require.True(m, waits.NeedsApproval, "a client that cannot ask is told what to do")
	}, believesClients)
}

// TestMCPClientsAllowNothing: by default a client is not asked to ask its person, and no answer of
// its own allows its large call. A person whom the gateway knows does.
func TestMCPClientsAllowNothing(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		m.asked = func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			m.Error("the client was asked")
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{}}, nil
		}
		m.session = m.connect(agentToken(m.T, agentClaims(nil)), "")
		operations := strings.Repeat(`,{"operation":"insert","collection":"leads","data":{}}`, 6)
		call := `{"operations":[` + operations[1:] + `]`
		var waits struct {
			NeedsApproval bool
			ApprovalID    string
		}
		m.call(&waits, "write", call+`}`)
		require.True(m, waits.NeedsApproval)
		approved := call + `,"approvalId":"` + waits.ApprovalID + `"}`
		r, err := m.session.CallTool(m.Context(), &sdk.CallToolParams{
			Name: "write", Arguments: json.RawMessage(approved),
			InputResponses: sdk.InputResponseMap{"allow": &sdk.ElicitResult{Action: "accept"}},
		})
		require.NoError(m, err)
		require.Contains(m, r.Content[0].(*sdk.TextContent).Text, `"needsApproval":true`)
		require.Zero(m, m.count())

		decide := appPath + "/agents/requests/" + waits.ApprovalID + "?version=draft"
		reply := m.person(looksOn, "POST", decide, `{"allow":true}`)
		require.Equal(m, 403, reply.Status, "not everybody decides")
		require.Equal(m, 200, m.person(creator, "POST", decide, `{"allow":true}`).Status)
		m.call(&struct{}{}, "write", approved)
		require.Equal(m, 6, m.count())
	})
}

// TestMCPOldNames: today's two tools, with today's texts, to a client of the older era.
func TestMCPOldNames(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		m.session = m.connect(agentToken(m.T, agentClaims(nil)), "2025-06-18")
		require.Equal(m, "2025-06-18", m.session.InitializeResult().ProtocolVersion)
		var wrote struct {
			Success bool
			Doc     map[string]any
		}
		text := m.call(
			&wrote,
			"update_app_data",
			`{"collection":"leads","operation":"insert","data":{"n":1}}`,
		)
		require.True(m, wrote.Success)
		require.Contains(m, text, "{\n  \"success\": true,\n  \"doc\": {\n")
		id := wrote.Doc["_id"].(string)
		m.call(
			&wrote,
			"update_app_data",
			`{"collection":"leads","operation":"update","filter":{"_id":"`+id+`"},"data":{"a.b":2}}`,
		)
		require.Equal(m, map[string]any{"b": 2.0}, wrote.Doc["a"])
		var docs []map[string]any
		m.call(&docs, "read_app_data", `{"collection":"leads"}`)
		require.Len(m, docs, 1)
		require.NotContains(m, docs[0], "_rev")
		m.call(&docs, "read_app_data", `{"collection":"leads","docId":"nowhere"}`)
		require.Empty(m, docs)
		require.Equal(m, `Access denied: agent is not allowed to write to collection "notes". Allowed: leads`,
			m.call(nil, "update_app_data", `{"collection":"notes","operation":"insert","data":{}}`))
		require.Equal(m, `Access denied: agent is not allowed to read collection "notes". Allowed: leads`,
			m.call(nil, "read_app_data", `{"collection":"notes"}`))
		require.Contains(
			m,
			m.call(
				nil,
				"update_app_data",
				`{"collection":"leads","operation":"update","filter":{"_id":"x"},"data":{}}`,
			),
			"Failed to update data: ",
		)
		require.Contains(
			m,
			m.call(
				nil,
				"update_app_data",
				`{"collection":"leads","operation":"upsert","filter":{},"data":{}}`,
			),
			"Failed to upsert data: filter is empty",
		)
		m.call(
			&wrote,
			"update_app_data",
			`{"collection":"leads","operation":"delete","filter":{"_id":"`+id+`"}}`,
		)
		require.True(m, wrote.Success)
	})
}

// TestMCPResources: collections can be read, and a client that listens is told of changes.
func TestMCPResources(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		listed, err := m.session.ListResources(m.Context(), nil)
		require.NoError(m, err)
		require.Len(m, listed.Resources, 1)
		uri := listed.Resources[0].URI
		read, err := m.session.ReadResource(m.Context(), &sdk.ReadResourceParams{URI: uri})
		require.NoError(m, err)
		require.JSONEq(m, `{"docs":[],"count":0}`, read.Contents[0].Text)
		require.NoError(m, m.session.Subscribe(m.Context(), &sdk.SubscribeParams{URI: uri}))
		require.Equal(
			m,
			201,
			m.person(owner, "POST", appPath+"/data?version=draft", `{"collection":"leads","data":{}}`).Status,
		)
		select {
		case told := <-m.updated:
			require.Equal(m, uri, told)
		case <-time.After(time.Minute):
			require.Fail(m, "the client was not told of a change")
		}
	})
}

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
