package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway"
)

const (
	runsPath = appPath + "/agent-runs"
	order    = `{"agentId":"e1","prompt":"Look up each lead.","sourceVersion":"draft"}`
)

// internal asks one of the paths for workers.
func (a *agents) internal(path, body string) *client.Reply {
	a.Helper()
	reply, err := client.Do(
		a.Context(),
		"POST",
		a.url+"/api/internal/"+path,
		body,
		"Authorization: Bearer "+internalToken,
	)
	require.NoError(a, err)
	return &reply
}

// approves has agents e1 and e2 approved for the draft, and saved.
func (a *agents) approves() {
	a.Helper()
	require.Equal(a, 200, a.person(owner, "PATCH", appPath+"/agents", twoAgents).Status)
	require.Equal(a, 200, a.person(owner, "POST", approvalURL, "").Status)
}

// created gives an order and returns the run's id.
func (a *agents) created(who person, body string) string {
	a.Helper()
	reply := a.person(who, "POST", runsPath, body)
	require.Equal(a, 201, reply.Status, reply.Body)
	var run struct{ RunID string }
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &run))
	require.Regexp(a, `^[0-9a-f]{24}$`, run.RunID)
	a.says(reply, 201, `{"runId":"`+run.RunID+`"}`)
	return run.RunID
}

func (a *agents) started(who person, id string) {
	a.Helper()
	a.says(a.person(who, "POST", runsPath+"/"+id+"/stream?startOnly=1", "{"), 200, `{"status":"started"}`)
}

// shown is a run as people see it, without the time.
type shownRun struct {
	ID, AgentID, AgentName, Prompt, Status string
	Result, Usage, Messages                any
	CreatedAt                              time.Time
}

func (a *agents) shown(who person, id, query string) (r shownRun) {
	a.Helper()
	reply := a.person(who, "GET", runsPath+"/"+id+query, "")
	require.Equal(a, 200, reply.Status, reply.Body)
	require.Equal(a, "no-store", reply.Header.Get("Cache-Control"))
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &r), reply.Body)
	require.WithinDuration(a, time.Now(), r.CreatedAt, time.Hour)
	r.CreatedAt = time.Time{}
	return r
}

// claim is what a worker gets, empty if nothing waits.
func (a *agents) claim(body string) (id string) {
	a.Helper()
	reply := a.internal("agent-run-claim", body)
	if reply.Status == 204 {
		require.Empty(a, reply.Body)
		return ""
	}
	require.Equal(a, 200, reply.Status, reply.Body)
	var run struct{ RunID string }
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &run))
	return run.RunID
}

// TestRunRefusals are the rows of agents-upstream.md §4 and §10 in which no run is made.
func TestRunRefusals(t *testing.T) {
	inAgents(t, func(a *agents) {
		refused := func(reply *client.Reply, status int, code string) {
			a.Helper()
			require.Equal(a, status, reply.Status, reply.Body)
			require.Contains(a, reply.Body, `"error":"`+code+`"`)
			require.Contains(a, reply.Body, `"message":"`)
		}
		create := func(who person, body string) *client.Reply { return a.person(who, "POST", runsPath, body) }
		refused(create(outside, order), 404, "app_not_found")
		refused(create(creator, order), 400, "no_agents_defined")
		require.Equal(a, 200, a.person(creator, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
		refused(create(creator, order), 400, "no_agents_defined") // approved, not saved

		require.Equal(a, 200, a.person(creator, "PATCH", appPath+"/agents", twoAgents).Status)
		for _, id := range []string{`"e3"`, `"E1"`, `" e1"`, `""`, `7`, `null`} {
			refused(
				create(creator, `{"sourceVersion":"draft","prompt":"x","agentId":`+id+`}`),
				404,
				"agent_not_found",
			)
		}
		refused(create(creator, "{"), 400, "invalid_json")
		refused(
			create(creator, `{"agentId":"e1","prompt":"x"}`),
			400,
			"no_agents_defined",
		) // nothing is published
		refused(
			create(looksOn, order),
			400,
			"no_agents_defined",
		) // a viewer's draft is the published one

		id := a.created(creator, order)
		for _, who := range []person{looksOn, outside} {
			want := map[string]string{"viewer": "run_not_found", "outsider": "app_not_found"}[who.name]
			refused(a.person(who, "GET", runsPath+"/"+id+"?summary=1", ""), 404, want)
			refused(a.person(who, "POST", runsPath+"/"+id+"/stream?startOnly=1", ""), 404, want)
		}
		for _, unknown := range []string{"x", strings.Repeat("0", 24), "__system"} {
			refused(a.person(creator, "GET", runsPath+"/"+unknown, ""), 404, "run_not_found")
			refused(
				a.person(creator, "POST", runsPath+"/"+unknown+"/stream?startOnly=1", ""),
				404,
				"run_not_found",
			)
		}
		refused(a.person(owner, "GET", "/api/workspaces/w/apps/b/agent-runs/"+id, ""), 404, "run_not_found")
		refused(a.person(creator, "POST", runsPath+"/"+id+"/stream", ""), 400, "invalid_message")

		require.Equal(a, 200, a.person(creator, "PATCH", appPath+"/agents", otherAgents).Status)
		require.Equal(a, 200, a.person(owner, "POST", appPath+"/publish", "").Status)
		require.Equal(a, 200, a.person(owner, "DELETE", approvalURL, "").Status)
		refused(create(creator, `{"agentId":"e1","prompt":"x"}`), 400, "no_agents_defined") // revoked
	})
}

// TestRun is a run from order to end, as §10 and §11 have it.
func TestRun(t *testing.T) {
	inAgents(t, func(a *agents) {
		a.approves()
		a.says(a.person(creator, "GET", runsPath, ""), 200, `{"runs":[]}`)
		a.says(a.person(creator, "GET", runsPath+"/usage", ""), 200,
			`{"usage":null,"runCount":0,"completedRunCount":0,"usageRunCount":0}`)
		id := a.created(creator, order)
		waits := shownRun{
			ID:        id,
			AgentID:   "e1",
			AgentName: "Enricher",
			Prompt:    "Look up each lead.",
			Status:    "pending",
		}
		require.Equal(a, waits, a.shown(creator, id, "?summary=1"))
		require.Empty(a, a.claim(""), "nobody has started it")
		a.started(creator, id)
		a.says(
			a.person(helps, "POST", runsPath+"/"+id+"/stream?startOnly=1", ""),
			200,
			`{"status":"already_started"}`,
		)
		require.Empty(a, a.claim(`{"workspaceId":"v"}`), "of another workspace")
		a.says(
			a.internal("agent-run-claim", `{"workspaceId":"w"}`),
			200,
			`{"runId":"`+id+`","workspaceId":"w","appId":"a",
			"sourceVersion":"draft","prompt":"Look up each lead.","agent":{"id":"e1","name":"Enricher","dataCollections":["leads"]}}`,
		)
		require.Empty(a, a.claim(""), "it is claimed")
		require.Equal(a, "streaming", a.shown(creator, id, "").Status)
		a.says(
			a.person(helps, "POST", runsPath+"/"+id+"/stream?startOnly=1", ""),
			200,
			`{"status":"already_started"}`,
		)

		report := `{"runId":"` + id + `","status":"completed","result":"Found 3.","messages":[{"role":"assistant","n":1.0}],
			"usage":{"totalCostUsd":0.25,"modelUsage":{"m":{"inputTokens":10}}}}`
		a.says(a.internal("agent-run-complete", report), 200, `{"ok":true}`)
		done := waits
		done.Status, done.Result = "completed", "Found 3."
		done.Usage = map[string]any{
			"totalCostUsd": 0.25,
			"modelUsage":   map[string]any{"m": map[string]any{"inputTokens": 10.0}},
		}
		require.Equal(a, done, a.shown(creator, id, "?summary=1"))
		done.Messages = []any{map[string]any{"role": "assistant", "n": 1.0}}
		require.Equal(a, done, a.shown(creator, id, ""))

		again := strings.NewReplacer("completed", "failed", "Found 3.", "Later.").Replace(report)
		a.says(a.internal("agent-run-complete", again), 200, `{"ok":true}`)
		a.says(a.internal("agent-run-complete", report), 200, `{"ok":true}`)
		require.Equal(a, done, a.shown(creator, id, ""), "the first end is final")
		a.says(a.person(creator, "GET", runsPath+"/usage", ""), 200, `{"usage":{"totalCostUsd":0.25,
			"modelUsage":{"m":{"inputTokens":10}}},"runCount":1,"completedRunCount":1,"usageRunCount":1}`)
		a.says(a.person(looksOn, "GET", runsPath, ""), 200, `{"runs":[]}`)
		listed := a.person(helps, "GET", runsPath, "")
		require.Contains(
			a,
			listed.Body,
			`"prompt":"Look up each lead.","status":"completed","triggeredByUserId":"creator"`,
		)
		a.auditTells(id, "created", "started", "completed")
	})
}

// auditTells checks the events of a run's rows, in any order, and that none has the prompt.
func (a *agents) auditTells(id string, events ...string) {
	a.Helper()
	reply := a.person(owner, "GET", "/api/workspaces/w/audit-events?category=agents", "")
	require.Equal(a, 200, reply.Status, reply.Body)
	require.NotContains(a, reply.Body, "Look up")
	var page struct {
		Items []struct {
			EventName, Severity, Outcome string
			Related                      []string
			Metadata                     []struct{ Label, Value string }
		}
	}
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &page))
	var got []string
	for _, row := range page.Items {
		if len(row.Related) == 0 || row.Related[0] != id { // approvals have rows too
			continue
		}
		event := strings.TrimPrefix(row.EventName, "app_agent_run.")
		got = append(got, event)
		want := map[string]string{
			"created": "info started", "started": "info started", "completed": "info completed", "failed": "warning failure",
		}[event]
		require.Equal(a, want, row.Severity+" "+row.Outcome)
		require.Contains(a, fmt.Sprint(row.Metadata), "{PromptLength 18}")
	}
	require.ElementsMatch(a, events, got)
}

// TestRunReports are the rows of agent-run-complete and agent-run-claim that end nothing.
func TestRunReports(t *testing.T) {
	inAgents(t, func(a *agents) {
		for _, door := range []string{"agent-run-complete", "agent-run-claim"} {
			reply, err := client.Do(a.Context(), "POST", a.url+"/api/internal/"+door, "{}")
			require.NoError(a, err)
			a.says(&reply, 401, `{"error":"unauthorized"}`)
			require.Equal(a, 400, a.internal(door, "{").Status)
		}
		for _, body := range []string{`{}`, `{"runId":"x"}`, `{"status":"completed"}`, `{"runId":"","status":"x"}`, `{"runId":7,"status":"x"}`} {
			a.says(a.internal("agent-run-complete", body), 400, `{"error":"runId and status required"}`)
		}
		for _, id := range []string{"x", strings.Repeat("0", 24)} {
			a.says(
				a.internal("agent-run-complete", `{"runId":"`+id+`","status":"completed"}`),
				200,
				`{"ok":true}`,
			)
		}
		require.Equal(a, 400, a.internal("agent-run-claim", `{"workspaceId":7}`).Status)
		a.approves()
		id := a.created(creator, order)
		a.started(creator, id)
		require.Equal(a, id, a.claim(""))
		a.says(
			a.internal(
				"agent-run-complete",
				`{"runId":"`+id+`","status":"done","result":{"error":"It broke."},
			"messages":[{"n":"`+"\\ud800"+`"}],"usage":7}`,
			),
			200,
			`{"ok":true}`,
		)
		got := a.shown(creator, id, "")
		require.Equal(a, "failed", got.Status, "any status but completed")
		require.Equal(a, map[string]any{"error": "It broke."}, got.Result)
		require.Equal(a, []any{map[string]any{"n": "�"}}, got.Messages)
		a.says(a.person(creator, "GET", runsPath+"/usage", ""), 200,
			`{"usage":null,"runCount":1,"completedRunCount":0,"usageRunCount":0}`)
	})
}

// onTwo runs a check on two gateways of each database.
func onTwo(t *testing.T, check func(a, b *agents), change ...func(*gateway.Config)) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend := h.Open(t)
			changes := append([]func(*gateway.Config){withAgents}, change...)
			check(
				&agents{t, serve(t, backend, changes...)},
				&agents{t, serve(t, h.Reopen(t, backend), changes...)},
			)
		})
	}
}

// TestRunIsClaimedOnce: of many workers on two gateways, one gets each run.
func TestRunIsClaimedOnce(t *testing.T) {
	onTwo(t, func(a, b *agents) {
		a.approves()
		const orders = 6
		waiting := map[string]bool{}
		for range orders {
			id := a.created(creator, order)
			a.started(creator, id)
			waiting[id] = true
		}
		got := make(chan string, 4*(orders+1))
		for i := range 4 {
			ask := []*agents{a, b}[i%2]
			go func() {
				for {
					reply, err := client.Do(
						context.Background(),
						"POST",
						ask.url+"/api/internal/agent-run-claim",
						"",
						"Authorization: Bearer "+internalToken,
					)
					var run struct{ RunID string }
					if err != nil || reply.Status != 200 || json.Unmarshal([]byte(reply.Body), &run) != nil {
						got <- ""
						return
					}
					got <- run.RunID
				}
			}()
		}
		for done := 0; done < 4; {
			id := <-got
			if id == "" {
				done++
				continue
			}
			require.True(a, waiting[id], "%s was claimed before", id)
			delete(waiting, id)
		}
		require.Empty(a, waiting, "nobody got them")
	})
}

// TestLostRunFailsOnce: a run without a report fails once its time is over, on whichever gateway.
func TestLostRunFailsOnce(t *testing.T) {
	onTwo(t, func(a, b *agents) {
		a.approves()
		claimed, waits := a.created(creator, order), a.created(creator, order)
		a.started(creator, claimed)
		require.Equal(a, claimed, b.claim(""))
		for _, id := range []string{claimed, waits} {
			a.reaches(creator, id, "failed")
			require.Equal(a, map[string]any{"error": "the run took longer than 8s and was given up"},
				a.shown(creator, id, "?summary=1").Result)
			b.says(
				b.internal("agent-run-complete", `{"runId":"`+id+`","status":"completed"}`),
				200,
				`{"ok":true}`,
			)
			require.Equal(a, "failed", a.shown(creator, id, "").Status, "it was too late")
		}
		a.auditTells(claimed, "created", "started", "failed")
		a.auditTells(waits, "created", "failed")
	}, func(c *gateway.Config) { c.Agents.RunTime = 8 * time.Second })
}

// reaches waits until a run has a status.
func (a *agents) reaches(who person, id, status string) {
	a.Helper()
	deadline, cancel := context.WithTimeout(a.Context(), planted.Wait(time.Minute))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond) // a person has a rate
	defer tick.Stop()
	for a.shown(who, id, "?summary=1").Status != status {
		require.NoError(a, deadline.Err(), "the run never became %s", status)
		<-tick.C
	}
}

// TestOrdersAgain: the same order under one key is one run.
func TestOrdersAgain(t *testing.T) {
	inAgents(t, func(a *agents) {
		a.approves()
		give := func(who person, key, body string) string {
			reply := a.person(who, "POST", runsPath, body, "Idempotency-Key: "+key)
			require.Equal(a, 201, reply.Status, reply.Body)
			return reply.Body
		}
		first := give(creator, "k", order)
		require.Equal(a, first, give(creator, "k", order))
		require.NotEqual(a, first, give(helps, "k", order), "somebody else's")
		require.NotEqual(a, first, give(creator, "k2", order))
		other := strings.Replace(order, "each", "no", 1)
		require.Equal(a, 422, a.person(creator, "POST", runsPath, other, "Idempotency-Key: k").Status)
	})
}
