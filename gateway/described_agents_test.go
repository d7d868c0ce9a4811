package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
)

// describedAgents has exchanges with one gateway as people, workers and agents.
type describedAgents struct {
	*described
	url string
}

// as is an exchange of a person; nobody sends no token.
func (d *describedAgents) as(who person, method, path, body string) reply {
	d.Helper()
	var headers []string
	if who.name != "" {
		headers = []string{"Authorization: Bearer " + who.token(d.T, time.Hour)}
	}
	return d.exchange(d.url, asked{method, path, body, headers})
}

// worker is an exchange of a worker.
func (d *describedAgents) worker(path, body string) reply {
	d.Helper()
	bearer := "Authorization: Bearer " + internalToken
	return d.exchange(d.url, asked{"POST", "/api/internal/" + path, body, []string{bearer}})
}

// TestAgentsOpenAPI has every operation of openapi-agents.json answered with every status that it
// names, and refused. Each answer is what it says; damaged in any way, it is not.
func TestAgentsOpenAPI(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: schemas have no goroutines")
		return
	}
	t.Parallel()
	d := &describedAgents{
		&described{T: t, in: agentsAPI, met: map[string]int{}, open: map[string]bool{}},
		serve(t, (&sqlitetest.Harness{}).Open(t), withMCP),
	}
	for _, open := range []string{"file", "run", "usage", "claimed", "metadata"} {
		d.open["schema/agents.json#/$defs/"+open] = true
	}
	d.approvals()
	d.largeCalls()
	d.runs()
	d.internalDoors()
	d.others()
	d.complete()
}

func (d *describedAgents) approvals() {
	nobody := person{}
	d.as(creator, "GET", approvalURL+"?version=draft", "")
	d.as(creator, "GET", appPath+"/agents?version=draft", "")
	d.as(creator, "PATCH", appPath+"/agents", narrowAgents)
	d.as(creator, "PATCH", appPath+"/agents", "{")
	d.as(creator, "GET", appPath+"/agents?version=draft", "")
	d.as(nobody, "GET", appPath+"/agents", "")
	d.as(owner, "POST", approvalURL, "")
	d.as(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`)
	d.as(looksOn, "POST", approvalURL, "")
	d.as(creator, "GET", approvalURL+"?version=draft", "")
	d.as(nobody, "GET", approvalURL, "")
	d.as(creator, "DELETE", approvalURL+"?version=draft", "")
	d.as(creator, "DELETE", approvalURL, "")
	d.as(owner, "PATCH", appPath+"/agents", twoAgents)
	d.as(owner, "POST", appPath+"/publish", "")
	d.as(creator, "POST", appPath+"/publish", "")
	d.as(creator, "GET", appPath+"/agents/history", "")
	d.as(creator, "GET", appPath+"/agents/history?limit=1", "")
	d.as(creator, "GET", appPath+"/agents/history?limit=0", "")
}

func (d *describedAgents) largeCalls() {
	m := &mcpTrial{agents: &agents{d.T, d.url}, updated: make(chan string, 1)}
	m.session = m.connect(agentToken(d.T, agentClaims(nil)), "")
	var waits struct{ ApprovalID string }
	operations := strings.Repeat(`,{"operation":"insert","collection":"leads","data":{}}`, 6)
	m.call(&waits, "write", `{"operations":[`+operations[1:]+`]}`)
	d.as(creator, "GET", appPath+"/agents/requests?version=draft", "")
	d.as(looksOn, "GET", appPath+"/agents/requests?version=draft", "")
	decide := appPath + "/agents/requests/" + waits.ApprovalID + "?version=draft"
	d.as(creator, "POST", decide, `{}`)
	d.as(creator, "POST", decide, `{"allow":true}`)
}

func (d *describedAgents) runs() {
	var ordered struct{ RunID string }
	order := d.as(owner, "POST", appPath+"/agent-runs", `{"agentId":"e1","prompt":"Look up."}`)
	require.NoError(d, json.Unmarshal([]byte(order.body), &ordered))
	d.as(owner, "POST", appPath+"/agent-runs", `{"agentId":"nobody"}`)
	for _, path := range []string{"", "/usage", "/" + ordered.RunID, "/" + ordered.RunID + "?summary=1"} {
		d.as(owner, "GET", appPath+"/agent-runs"+path, "")
		d.as(person{}, "GET", appPath+"/agent-runs"+path, "")
	}
	start := appPath + "/agent-runs/" + ordered.RunID + "/stream"
	d.as(owner, "POST", start, "")
	d.as(owner, "POST", start+"?startOnly=1", "")
	d.as(owner, "POST", start+"?startOnly=1", "")
	d.worker("agent-run-claim", `{"workspaceId":"w"}`)
	d.worker("agent-run-claim", ``)
	d.worker("agent-run-claim", `{"workspaceId":7}`)
	d.worker(
		"agent-run-complete",
		`{"runId":"`+ordered.RunID+`","status":"completed","result":"Found 3.","usage":{"totalCostUsd":1}}`,
	)
	d.worker("agent-run-complete", `{}`)
	d.as(owner, "GET", appPath+"/agent-runs/"+ordered.RunID, "")
	d.as(owner, "GET", appPath+"/agent-runs/usage", "")
}

func (d *describedAgents) internalDoors() {
	wrote := d.worker("app-data-write", workerBody(`,"operation":"insert","data":{"n":1}`))
	for _, more := range []string{
		`,"operation":"delete","filter":{"_id":"none"}`, `,"operation":"update","filter":{"_id":"none"},"data":{}`,
		`,"operation":"drop"`, ``,
	} {
		d.worker("app-data-write", workerBody(more))
	}
	for _, more := range []string{``, `,"docId":"none"`, `,"collection":"other"`} {
		d.worker("app-data-read", workerBody(more))
	}
	d.worker("app-data-read", "{")
	d.exchange(d.url, asked{"POST", "/api/internal/app-data-read", "{}", []string{stranger}})
	d.as(
		owner,
		"POST",
		appPath+"/data/undo?version=draft",
		`{"changeSet":"`+wrote.header.Get("Second-Change-Set")+`"}`,
	)
	d.as(owner, "POST", appPath+"/data/undo?version=draft", `{"changeSet":"none"}`)
}

func (d *describedAgents) others() {
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/llms.txt", "/api/workspaces/w/events"} {
		d.as(owner, "GET", path, "")
		d.exchange(d.url, asked{"GET", path, "", []string{stranger}})
	}
}
