package gateway_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// narrowAgents: e1 reads and makes leads, e2 makes and changes them and reads nothing, e3 does all
// but delete.
const narrowAgents = `{"agents":[
	{"id":"e1","dataCollections":["leads","notes"],"dataOperations":{"leads":["read","insert"]}},
	{"id":"e2","dataCollections":["leads"],"dataOperations":{"leads":["insert","update"]}},
	{"id":"e3","dataCollections":["leads"],"dataOperations":{"leads":["read","insert","update","upsert"]}}]}`

// cannot is what an agent is told that may not do something in leads.
func cannot(operation string) string {
	return "the approved agents.json does not allow this agent to " + operation +
		" in the collection leads: its dataOperations leave it out"
}

// TestOperationsAtTheInternalDoors: an agent does what its dataOperations name, and nothing else.
func TestOperationsAtTheInternalDoors(t *testing.T) {
	inAgents(t, func(a *agents) {
		require.Equal(a, 200, a.person(owner, "POST", approvalURL, `{"agentsJson":`+narrowAgents+`}`).Status)
		made := a.person(
			owner,
			"POST",
			appPath+"/data?version=draft",
			`{"collection":"leads","docId":"d","data":{"n":1}}`,
		)
		require.Equal(a, 201, made.Status)
		for _, row := range []struct {
			agent, door, more, refused string
			answer                     string // where it is carried out; empty: of any body
		}{
			{"e1", "read", `,"docId":"d"`, "", `{"success":true,"doc":{"_id":"d","n":1}}`},
			{"e1", "write", `,"operation":"insert","data":{"n":2}`, "", ""},
			{"e1", "write", `,"operation":"update","filter":{"_id":"d"},"data":{}`, "update", ""},
			{"e1", "write", `,"operation":"upsert","filter":{"n":1},"data":{}`, "upsert", ""},
			{"e1", "write", `,"operation":"delete","filter":{"_id":"d"}`, "delete", ""},
			{"e2", "read", ``, "read", ""},
			{"e2", "read", `,"docId":"d"`, "read", ""},
			{"e2", "write", `,"operation":"insert","data":{"n":3}`, "", `{"success":true,"doc":{"_id":"*","n":3}}`},
			// It may not read what the document has besides.
			{"e2", "write", `,"operation":"update","filter":{"_id":"d"},"data":{"m":1}`, "", `{"success":true,"doc":null}`},
			{"e2", "write", `,"operation":"upsert","filter":{"n":1},"data":{}`, "upsert", ""},
		} {
			body := `{"workspaceId":"w","appId":"a","sourceVersion":"draft","agentId":"` + row.agent +
				`","collection":"leads"` + row.more + `}`
			reply := a.worker(row.door, body)
			switch {
			case row.refused != "":
				a.says(
					reply,
					403,
					fmt.Sprintf(`{"success":false,"code":"forbidden","error":%q}`, cannot(row.refused)),
				)
			case row.answer != "":
				a.says(reply, 200, row.answer)
			default:
				require.Equal(a, 200, reply.Status, reply.Body)
			}
		}
		a.says(
			a.worker("write", workerBody(`,"operation":"drop"`)),
			400,
			`{"error":"Unknown operation: drop"}`,
		)
	})
}

// TestOperationsOverMCP: the same for tools, batches, dry runs, deletions and undo; and
// describe_data says it.
func TestOperationsOverMCP(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		require.Equal(m, 200, m.person(owner, "POST", approvalURL, `{"agentsJson":`+narrowAgents+`}`).Status)
		var wrote struct{ ChangeSet string }
		m.call(
			&wrote,
			"write",
			`{"operations":[{"operation":"insert","collection":"leads","docId":"a","data":{"n":1}}]}`,
		)
		m.refuses(cannot("delete"), map[string]string{
			"undo":            `{"changeSet":"` + wrote.ChangeSet + `"}`,
			"delete_where":    `{"collection":"leads","where":{}}`,
			"update_app_data": `{"collection":"leads","operation":"delete","filter":{"_id":"a"}}`,
			"write": `{"operations":[{"operation":"insert","collection":"leads","docId":"b","data":{}},
				{"operation":"delete","collection":"leads","docId":"a"}]}`,
		})
		require.Equal(m, 1, m.count(), "of a batch that is refused nothing is done")
		require.Equal(m, map[string][]string{
			"leads": {"read", "insert"}, "notes": {"read", "insert", "update", "upsert", "delete"},
		}, m.described())

		blind := m.as("e2", nil)
		blind.refuses(cannot("read"), map[string]string{
			"query": `{"collection":"leads"}`, "changes_since": `{"collection":"leads"}`, "read_app_data": `{"collection":"leads"}`,
			"write": `{"dryRun":true,"operations":[{"operation":"update","collection":"leads","docId":"a","data":{}}]}`,
		})
		require.Equal(m, map[string][]string{"leads": {"insert", "update"}}, blind.described())
		listed, err := blind.session.ListResources(m.Context(), nil)
		require.NoError(m, err)
		require.Empty(m, listed.Resources)
		require.NotContains(m, blind.call(&struct{}{}, "update_app_data",
			`{"collection":"leads","operation":"update","filter":{"_id":"a"},"data":{}}`), `"n"`)

		reader := m.as("e3", []string{"read"})
		reader.call(&struct{}{}, "query", `{"collection":"leads"}`)
		reader.refuses(
			"the agent's token is not for the operation insert: ask for a token that is",
			map[string]string{
				"write": `{"operations":[{"operation":"insert","collection":"leads","data":{}}]}`,
			},
		)
		require.Equal(m, map[string][]string{"leads": {"read"}}, reader.described())
		require.Equal(m, 1, m.count())
	})
}

// as is the same for another agent, whose token may be for some operations alone.
func (m *mcpTrial) as(agent string, operations []string) *mcpTrial {
	m.Helper()
	claim := map[string]any{"id": agent, "workspace": "w", "app": "a", "version": "draft"}
	if operations != nil {
		claim["operations"] = operations
	}
	other := &mcpTrial{agents: m.agents, updated: m.updated}
	other.session = other.connect(agentToken(m.T, agentClaims(map[string]any{"agent": claim})), "")
	return other
}

// refuses wants calls refused with a sentence.
func (m *mcpTrial) refuses(sentence string, calls map[string]string) {
	m.Helper()
	for tool, arguments := range calls {
		require.Contains(m, m.call(nil, tool, arguments), sentence, tool)
	}
}

// described are the rights that describe_data tells, by collection.
func (m *mcpTrial) described() map[string][]string {
	m.Helper()
	var all struct {
		Collections []struct {
			Name   string
			Rights []string
			Count  *int
		}
	}
	m.call(&all, "describe_data", `{}`)
	rights := map[string][]string{}
	for _, c := range all.Collections {
		rights[c.Name] = c.Rights
		require.Equal(m, c.Rights[0] == "read", c.Count != nil, "only one who reads is told how many")
	}
	return rights
}
