package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/approvals"
)

const (
	otherAgents = `{"agents":[{"id":"e1","dataCollections":["notes"]}]}`
	approvalURL = appPath + "/agents/approval"
)

// may reports whether agent e1 may write to leads, in both versions.
func (a *agents) may() (draft, published bool) {
	a.Helper()
	insert := `,"operation":"insert","data":{}}`
	in := func(version, no string) bool {
		body := `{"workspaceId":"w","appId":"a","sourceVersion":"` + version + `","agentId":"e1","collection":"leads"` + insert
		reply := a.worker("write", body)
		if reply.Status != 200 {
			a.says(reply, 403, no)
		}
		return reply.Status == 200
	}
	return in("draft", draftNo), in("published", publicNo)
}

// rightsAre checks what agent e1 may do.
func (a *agents) rightsAre(draft, published bool, after string) {
	a.Helper()
	isDraft, isPublished := a.may()
	require.Equal(a, []bool{draft, published}, []bool{isDraft, isPublished}, after)
}

// TestApprovalStates are the rows of agents-upstream.md §3 and §4.
func TestApprovalStates(t *testing.T) {
	inAgents(t, func(a *agents) {
		two, other := hashOf(a.T, twoAgents), hashOf(a.T, otherAgents)
		saved := `{"ok":true,"reviewInvalidated":false,"draftCreatedFromPublished":false}`

		a.says(a.person(creator, "PATCH", appPath+"/agents", twoAgents), 200, saved)
		a.rightsAre(false, false, "a saved file is not approved")
		a.says(a.person(creator, "GET", appPath+"/agents?version=draft", ""), 200, twoAgents)
		a.says(a.person(creator, "GET", appPath+"/agents", ""), 200, `{"agents":[]}`)

		mock := `{"ok":true,"mockOnly":true,"hasAgentsJson":true,"hash":"` + two + `"}`
		a.says(a.person(helps, "POST", approvalURL, ""), 200, mock)
		a.rightsAre(true, false, "a collaborator approved the draft")

		a.says(a.person(creator, "PATCH", appPath+"/agents", otherAgents), 200, saved)
		a.rightsAre(false, false, "another file was saved")
		a.says(a.person(creator, "PATCH", appPath+"/agents", twoAgents), 200, saved)
		a.rightsAre(false, false, "going back does not bring the approval back")

		full := `{"ok":true,"mockOnly":false,"hasAgentsJson":true,"hash":"` + two + `"}`
		a.says(a.person(owner, "POST", appPath+"/publish", ""), 200, full)
		a.rightsAre(true, true, "the owner published")

		a.says(a.person(creator, "PATCH", appPath+"/agents", otherAgents), 200, saved)
		a.rightsAre(false, true, "a draft edit never touches what is published")
		a.says(
			a.person(creator, "POST", approvalURL, ""),
			200,
			`{"ok":true,"mockOnly":true,"hasAgentsJson":true,"hash":"`+other+`"}`,
		)
		a.rightsAre(false, true, "the approved draft has no leads")

		a.says(a.person(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`), 200, mock)
		a.rightsAre(false, true, "approved is not what the draft has")
		a.says(
			a.person(creator, "PATCH", appPath+"/agents", "  "+strings.ReplaceAll(twoAgents, ",", " ,\n")),
			200,
			saved,
		)
		a.rightsAre(true, true, "the build saved what was approved before")

		a.says(a.person(owner, "DELETE", approvalURL, ""), 200, `{"ok":true}`)
		a.rightsAre(true, false, "the published approval was revoked")
		a.says(a.person(creator, "DELETE", approvalURL+"?version=draft", ""), 200, `{"ok":true}`)
		a.rightsAre(false, false, "the draft's too")
		a.historyTells(
			"saved approved saved stale saved published saved stale approved approved saved revoked revoked",
		)
	})
}

// historyTells checks the events of the history, oldest first.
func (a *agents) historyTells(events string) {
	a.Helper()
	var all []string
	for next := ""; ; {
		reply := a.person(creator, "GET", appPath+"/agents/history?limit=5&after="+next, "")
		require.Equal(a, 200, reply.Status, reply.Body)
		var page struct {
			Items []approvals.Event
			Next  string
		}
		require.NoError(a, json.Unmarshal([]byte(reply.Body), &page))
		for _, e := range page.Items {
			require.NotEmpty(a, e.ByUserID)
			require.NotEmpty(a, e.At)
			all = append([]string{e.Event}, all...)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	require.ElementsMatch(a, strings.Fields(events), all) // events of one save have one time
}

// TestEarlyApproval: a file may be approved before it is saved, and before there is any.
func TestEarlyApproval(t *testing.T) {
	inAgents(t, func(a *agents) {
		require.Equal(a, 200, a.person(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
		a.rightsAre(true, false, "no file yet")
		a.says(a.person(creator, "GET", appPath+"/agents?version=draft", ""), 200, `{"agents":[]}`)
		a.says(a.person(creator, "POST", approvalURL, ""), 200,
			`{"ok":true,"mockOnly":true,"hasAgentsJson":false,"hash":null}`)
		a.rightsAre(false, false, "it was approved that there is no file")
		var shown approvals.View
		reply := a.person(looksOn, "GET", approvalURL, "")
		require.NoError(a, json.Unmarshal([]byte(reply.Body), &shown))
		require.False(a, shown.Approved)
	})
}

// TestWhoMayApprove: each person's status at each path.
func TestWhoMayApprove(t *testing.T) {
	inAgents(t, func(a *agents) {
		for _, row := range []struct {
			method, path, body string
			statuses           map[string]int
		}{
			{"PATCH", "/agents", twoAgents, map[string]int{"owner": 200, "creator": 200, "collaborator": 403, "viewer": 403}},
			{"POST", "/agents/approval", "", map[string]int{"owner": 200, "creator": 200, "collaborator": 200, "viewer": 403}},
			{"DELETE", "/agents/approval?version=draft", "", map[string]int{"owner": 200, "creator": 200, "collaborator": 200, "viewer": 403}},
			{"DELETE", "/agents/approval", "", map[string]int{"owner": 200, "creator": 403, "collaborator": 403, "viewer": 403}},
			{"POST", "/publish", "", map[string]int{"owner": 200, "creator": 403, "collaborator": 403, "viewer": 403}},
			{"GET", "/agents", "", map[string]int{"owner": 200, "creator": 200, "collaborator": 200, "viewer": 200}},
			{"GET", "/agents?version=draft", "", map[string]int{"owner": 200, "creator": 200, "collaborator": 200, "viewer": 403}},
			{"GET", "/agents/approval", "", map[string]int{"owner": 200, "creator": 200, "collaborator": 200, "viewer": 200}},
			{"GET", "/agents/history", "", map[string]int{"owner": 200, "creator": 200, "collaborator": 200, "viewer": 403}},
		} {
			for _, who := range []person{owner, creator, helps, looksOn, outside} {
				reply := a.person(who, row.method, appPath+row.path, row.body)
				want := row.statuses[who.name]
				if who.name == outside.name {
					want = 404
				}
				require.Equal(
					a,
					want,
					reply.Status,
					"%s %s %s: %s",
					who.name,
					row.method,
					row.path,
					reply.Body,
				)
			}
		}
	})
}

func TestFilesThatAreRefused(t *testing.T) {
	inAgents(t, func(a *agents) {
		for body, says := range map[string]string{
			"{":             "agents.json is not valid JSON",
			"":              "agents.json must contain a non-empty agents or appTools array",
			`{"agents":[]}`: "agents.json must contain a non-empty agents or appTools array",
		} {
			a.says(a.person(owner, "PATCH", appPath+"/agents", body), 400,
				`{"error":"invalid_agents_json","message":"`+says+`"}`)
		}
		reply := a.person(owner, "PATCH", appPath+"/agents",
			`{"agents":[{"id":"`+strings.Repeat("x", approvals.MaxManifest)+`"}]}`)
		require.Equal(a, 413, reply.Status)
		a.says(
			a.person(owner, "POST", approvalURL, `{"agentsJson":{}}`),
			400,
			`{"error":"invalid_agents_json","message":"agents.json must contain a non-empty agents or appTools array"}`,
		)
	})
}

func TestDraftApprovalsForAdmins(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		if name != "model" {
			continue
		}
		a := &agents{
			t,
			serve(t, h.Open(t), withAgents, func(c *gateway.Config) { c.Agents.AdminsApprove = true }),
		}
		body := `{"agentsJson":` + twoAgents + `}`
		require.Equal(t, 403, a.person(creator, "POST", approvalURL, body).Status)
		require.Equal(t, 200, a.person(owner, "POST", approvalURL, body).Status)
	}
}

// TestApprovalEndsAtOnce: on the gateway that ends it, no write that begins later is accepted.
func TestApprovalEndsAtOnce(t *testing.T) {
	inAgents(t, func(a *agents) {
		body := `{"agentsJson":` + twoAgents + `}`
		for range 20 {
			require.Equal(a, 200, a.person(creator, "POST", approvalURL, body).Status)
			a.rightsAre(true, false, "approved")
			require.Equal(a, 200, a.person(creator, "DELETE", approvalURL+"?version=draft", "").Status)
			a.rightsAre(false, false, "revoked")
		}
	})
}
