package gateway_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/approvals"
)

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
