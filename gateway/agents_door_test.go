package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/protocol"
)

// internalToken is what workers send.
const internalToken = "internal-token-of-at-least-32-bytes"

// withAgents has a gateway ask for tokens, and let workers in.
func withAgents(c *gateway.Config) {
	byToken(c)
	c.Agents.Token = internalToken
}

// agents asks one gateway's doors for agents.
type agents struct {
	*testing.T
	url string
}

// person asks as somebody with roles.
func (a *agents) person(who person, method, path, body string, headers ...string) *client.Reply {
	a.Helper()
	token := tokenFor(a.T, who.name, time.Hour, who.workspaces, who.apps)
	headers = append(headers, "Authorization: Bearer "+token)
	reply, err := client.Do(a.Context(), method, a.url+path, body, headers...)
	require.NoError(a, err)
	return &reply
}

// worker asks as a worker does.
func (a *agents) worker(door, body string) *client.Reply {
	a.Helper()
	reply, err := client.Do(a.Context(), "POST", a.url+"/api/internal/app-data-"+door, body,
		"Authorization: Bearer "+internalToken)
	require.NoError(a, err)
	return &reply
}

// says checks status and body of an answer. A body's "*" stands for any 24 hex digits.
func (a *agents) says(reply *client.Reply, status int, body string) {
	a.Helper()
	require.Equal(a, status, reply.Status, "%s", reply.Body)
	var got, want any
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &got), "%s", reply.Body)
	require.NoError(a, json.Unmarshal([]byte(body), &want))
	if doc, ok := got.(map[string]any)["doc"].(map[string]any); ok && strings.Contains(body, `"*"`) {
		require.Regexp(a, `^[0-9a-f]{24}$`, doc["_id"])
		doc["_id"] = "*"
	}
	require.Equal(a, want, got)
}

var (
	owner   = person{"owner", roles{"w": "owner"}, nil}
	creator = person{"creator", roles{"w": "member"}, roles{"a": "creator"}}
	helps   = person{"collaborator", roles{"w": "member"}, roles{"a": "collaborator"}}
	looksOn = person{"viewer", roles{"w": "member"}, roles{"a": "viewer"}}
	outside = person{"outsider", roles{"w": "member"}, nil}
)

const (
	appPath   = "/api/workspaces/w/apps/a"
	twoAgents = `{"agents":[{"id":"e1","name":"Enricher","dataCollections":["leads"]},{"id":"e2","dataCollections":["notes"]}]}`
	draftNo   = `{"success":false,"error":"Draft agents.json must approve this data collection","code":"forbidden"}`
	publicNo  = `{"success":false,"error":"Collection is not part of the published approved agents.json","code":"forbidden"}`
	noApp     = `{"success":false,"error":"App was not found for approved agents.json enforcement","code":"forbidden"}`
)

// inAgents runs a check over each database.
func inAgents(t *testing.T, check func(a *agents)) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(&agents{t, serve(t, h.Open(t), withAgents)})
		})
	}
}

// workerBody is a body for the internal doors: of agent e1 in the draft of app a, with more fields.
func workerBody(more string) string {
	return `{"workspaceId":"w","appId":"a","sourceVersion":"draft","agentId":"e1","collection":"leads"` + more + `}`
}

// TestInternalDoors are the rows of agents-upstream.md §5 to §7: orders of checks, statuses, sentences.
func TestInternalDoors(t *testing.T) {
	inAgents(t, func(a *agents) {
		a.checksBeforeRights()
		a.says(a.person(owner, "POST", appPath+"/agents/approval", `{"agentsJson":`+twoAgents+`}`), 200,
			`{"ok":true,"mockOnly":false,"hasAgentsJson":true,"hash":"`+hashOf(a.T, twoAgents)+`"}`)
		a.rights()
		a.operations()
		a.reads()
	})
}

func (a *agents) checksBeforeRights() {
	for _, header := range [][]string{nil, {"Authorization: bearer " + internalToken}, {"Authorization: Bearer x"}} {
		reply, err := client.Do(a.Context(), "POST", a.url+"/api/internal/app-data-write", "{}", header...)
		require.NoError(a, err)
		a.says(&reply, 401, `{"error":"unauthorized"}`)
	}
	for _, door := range []string{"read", "write"} {
		a.says(
			a.worker(door, "{"),
			400,
			`{"success":false,"error":"Invalid JSON body","code":"invalid_json"}`,
		)
		a.says(a.worker(door, "null"), 400,
			`{"success":false,"error":"the body must be a JSON object","code":"invalid_message"}`)
		a.says(
			a.worker(door, workerBody(`,"agentId":7`)),
			422,
			`{"success":false,"error":"an object has the same name twice: names must be unique","code":"invalid_document"}`,
		)
		a.says(a.worker(door, `{"workspaceId":{"$ne":1}}`), 400,
			`{"success":false,"error":"workspaceId must be a string","code":"invalid_message"}`)
	}
	required := "workspaceId, appId, agentId, collection, and operation are required"
	a.says(a.worker("write", workerBody("")), 400, `{"error":"`+required+`"}`)
	a.says(a.worker("write", workerBody(`,"operation":""`)), 400, `{"error":"`+required+`"}`)
	a.says(
		a.worker("read", `{"workspaceId":"w","appId":"a","agentId":"e1"}`),
		400,
		`{"success":false,"error":"workspaceId, appId, agentId, and collection are required","code":"invalid_message"}`,
	)
	a.says(a.worker("write", workerBody(`,"operation":"nonsense"`)), 403, noApp)
	a.says(a.worker("read", workerBody("")), 403, noApp)
}

func (a *agents) rights() {
	may := `,"operation":"insert","data":{"n":1}}`
	of := func(workspace, app, version, agent, collection string) string {
		return `{"workspaceId":"` + workspace + `","appId":"` + app + `","sourceVersion":` + version +
			`,"agentId":"` + agent + `","collection":"` + collection + `"` + may
	}
	require.Equal(a, 200, a.worker("write", of("w", "a", `"draft"`, " e1 ", "leads")).Status)
	for _, refused := range []struct{ body, says string }{
		{of("w", "a", `"draft"`, "e1", "notes"), draftNo},
		{of("w", "a", `"draft"`, "e2", "leads"), draftNo},
		{of("w", "a", `"draft"`, "e3", "leads"), draftNo},
		{of("w", "a", `"draft"`, "E1", "leads"), draftNo},
		{of("w", "a", `"draft"`, "e1", "Leads"), draftNo},
		{of("w", "a", `"draft"`, "e1", "__any__"), draftNo},
		{of("w", "a", `"published"`, "e1", "leads"), publicNo},
		{of("w", "a", `"Draft"`, "e1", "leads"), publicNo},
		{of("w", "a", `1`, "e1", "leads"), publicNo},
		{of("W", "a", `"draft"`, "e1", "leads"), noApp},
		{of(" w", "a", `"draft"`, "e1", "leads"), noApp},
		{of("w", "b", `"draft"`, "e1", "leads"), noApp},
		{of("v", "a", `"draft"`, "e1", "leads"), noApp},
		{of("w", "a__draft", `"published"`, "e1", "leads"), noApp},
		{of("w", "a__system", `"published"`, "e1", "agents"), noApp},
	} {
		a.says(a.worker("write", refused.body), 403, refused.says)
		a.says(a.worker("read", refused.body), 403, refused.says)
	}
}

func (a *agents) operations() {
	a.says(
		a.worker("write", workerBody(`,"operation":"nonsense"`)),
		400,
		`{"error":"Unknown operation: nonsense"}`,
	)
	a.says(
		a.worker("write", workerBody(`,"operation":"insert"`)),
		400,
		`{"error":"data is required for insert"}`,
	)
	a.says(a.worker("write", workerBody(`,"operation":"insert","data":[1]`)), 422,
		`{"success":false,"error":"data must be an object","code":"invalid_document"}`)
	a.says(
		a.worker("write", workerBody(`,"operation":"insert","data":{"a.b":1,"n":2},"filter":{"x":1}`)),
		200,
		`{"success":true,"doc":{"_id":"*","a.b":1,"n":2}}`,
	)

	const update = `"filter._id and data are required for update"`
	for _, incomplete := range []string{`,"filter":{"_id":""},"data":{"n":1}`, `,"data":{"n":1}`, `,"filter":{"_id":"x"}`} {
		a.says(a.worker("write", workerBody(`,"operation":"update"`+incomplete)), 400, `{"error":`+update+`}`)
	}
	for _, unknown := range []string{`"nowhere"`, `17`} {
		a.says(
			a.worker(
				"write",
				workerBody(`,"operation":"update","filter":{"_id":`+unknown+`},"data":{"n":1}`),
			),
			404,
			`{"success":false,"error":"Document not found","code":"not_found"}`,
		)
	}
	a.says(
		a.worker(
			"write",
			workerBody(`,"operation":"upsert","filter":{"key":"k","other":1},"data":{"deep.er":1}`),
		),
		200,
		`{"success":true,"doc":{"_id":"*","key":"k","other":1,"deep":{"er":1}}}`,
	)
	a.says(
		a.worker("write", workerBody(`,"operation":"upsert","filter":{"key":"k"},"data":{"deep.or":2}`)),
		200,
		`{"success":true,"doc":{"_id":"*","key":"k","other":1,"deep":{"er":1,"or":2}}}`,
	)
	const upsert = `{"error":"filter and data are required for upsert"}`
	a.says(a.worker("write", workerBody(`,"operation":"upsert","filter":{"key":"k"}`)), 400, upsert)
	a.says(a.worker("write", workerBody(`,"operation":"upsert","data":{"n":1}`)), 400, upsert)
	for filter, says := range map[string]string{
		`{}`: "filter is empty", `{"_id":""}`: "filter._id is empty", `[1]`: "filter must be an object",
		`{"n":{"$gt":1}}`: "only equality",
	} {
		reply := a.worker("write", workerBody(`,"operation":"upsert","data":{"n":1},"filter":`+filter))
		require.Equal(a, 422, reply.Status, "%s: %s", filter, reply.Body)
		require.Contains(a, reply.Body, says)
		require.Contains(a, reply.Body, `"code":"invalid_filter"`)
	}
	a.says(a.worker("write", workerBody(`,"operation":"delete","filter":{"n":1}`)), 400,
		`{"error":"filter._id is required for delete"}`)
	a.says(
		a.worker("write", workerBody(`,"operation":"delete","filter":{"_id":"nowhere"}`)),
		200,
		`{"success":false}`,
	)
}

func (a *agents) reads() {
	var listed struct {
		Success bool
		Docs    []map[string]any
	}
	reply := a.worker("read", workerBody(""))
	require.Equal(a, 200, reply.Status)
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &listed))
	require.True(a, listed.Success)
	require.Len(a, listed.Docs, 3)
	require.Equal(a, "k", listed.Docs[0]["key"], "newest first")
	for _, doc := range listed.Docs {
		for _, hidden := range []string{"_createdAt", "_updatedAt", "_rev"} {
			require.NotContains(a, doc, hidden)
		}
	}
	id := listed.Docs[0]["_id"].(string)
	one := `{"_id":"` + id + `","key":"k","other":1,"deep":{"er":1,"or":2}}`
	a.says(a.worker("read", workerBody(`,"docId":"`+id+`"`)), 200, `{"success":true,"doc":`+one+`}`)
	a.says(a.worker("read", workerBody(`,"docId":"nowhere"`)), 200, `{"success":true,"doc":null,"docs":[]}`)
	a.says(
		a.worker("write", workerBody(`,"operation":"delete","filter":{"_id":"`+id+`"}`)),
		200,
		`{"success":true}`,
	)
	a.says(a.worker("read", workerBody(`,"docId":"`+id+`"`)), 200, `{"success":true,"doc":null,"docs":[]}`)
}

// TestReservedScope: nobody gets at what gateways keep for themselves by the doors for data.
func TestReservedScope(t *testing.T) {
	inAgents(t, func(a *agents) {
		require.Equal(
			a,
			200,
			a.person(owner, "POST", appPath+"/agents/approval", `{"agentsJson":`+twoAgents+`}`).Status,
		)
		for _, app := range []string{"a__system", "__system"} {
			for _, collection := range []string{"agents", ""} {
				reply := a.person(
					owner,
					"GET",
					"/api/workspaces/w/apps/"+app+"/data?collection="+collection,
					"",
				)
				require.Equal(a, 400, reply.Status, "%s", reply.Body)
				require.Contains(a, reply.Body, "cannot end in __system")
			}
		}
		scope := protocol.Scope{Workspace: "w", App: "a"}
		require.Equal(a, "a__system", protocol.SystemScope(scope.Workspace, scope.App).StoredApp())
	})
}

func hashOf(t *testing.T, text string) string {
	m, err := approvals.ParseManifest(text)
	require.NoError(t, err)
	return m.Hash()
}
