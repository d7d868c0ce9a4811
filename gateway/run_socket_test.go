package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/protocol"
)

// agentPage is one page with a socket to the draft of app a. It notes what agents have told it.
type agentPage struct {
	*agents
	*client.Client
	told []protocol.Received
}

// opens has somebody open a page.
func (a *agents) opens(who person) *agentPage {
	a.Helper()
	c := dialAs(a.T, live(a.T), a.url, draft, who.token(a.T, time.Hour))
	x := &agentPage{a, c, nil}
	c.Seen = func(m protocol.Received) { x.note(m) }
	return x
}

func (x *agentPage) note(m protocol.Received) {
	if strings.HasPrefix(string(m.Type), "second:agent:") {
		x.told = append(x.told, m)
	}
}

// asks makes a request and returns its answer. Its messages are noted.
func (x *agentPage) asks(q protocol.Request) protocol.Received {
	x.Helper()
	m, err := x.Call(live(x.T), q)
	require.NoError(x, err, "%s was not answered", q.Type)
	return m
}

func (x *agentPage) triggers(agent, mutation string) protocol.Received {
	x.Helper()
	return x.asks(protocol.Request{
		Type: protocol.TypeAgentTrigger, AgentID: agent, Prompt: "Look up each lead.", MutationID: mutation,
	})
}

func (x *agentPage) follows(run string) protocol.Received {
	x.Helper()
	return x.asks(protocol.Request{Type: protocol.TypeAgentFollow, RunID: run})
}

// update reads up to the next end.
func (x *agentPage) update() protocol.Received {
	x.Helper()
	for len(x.told) == 0 || x.told[len(x.told)-1].Type != protocol.TypeAgentUpdate {
		m, err := x.Next(live(x.T))
		require.NoError(x, err, "no end was told")
		x.note(m)
	}
	return x.told[len(x.told)-1]
}

// ends wants the end of a run told once, and no other.
func (x *agentPage) ends(run, status, reason string) {
	x.Helper()
	u := x.update()
	require.Equal(x, "e1", u.AgentID)
	require.Equal(x, run, u.RunID)
	require.Equal(x, status, u.Status)
	if reason == "" {
		require.Nil(x, u.Error)
	} else {
		require.Equal(x, reason, u.Error.Message)
	}
	x.told = nil
	x.hearsNothing()
}

// hearsNothing wants that nothing more is told: a ping is answered after it.
func (x *agentPage) hearsNothing() {
	x.Helper()
	x.asks(protocol.Request{Type: protocol.TypePing})
	require.Empty(x, x.told)
}

func (a *agents) completes(run string) {
	a.Helper()
	a.says(
		a.internal("agent-run-complete", `{"runId":"`+run+`","status":"completed","result":"x"}`),
		200,
		`{"ok":true}`,
	)
}

// TestAgentSocket: the list, a run from trigger to end, and what is refused, in the orders of §13.
func TestAgentSocket(t *testing.T) {
	inAgents(t, func(a *agents) {
		x, other := a.opens(creator), a.opens(creator)
		require.Contains(a, x.Welcome.Features, "agents")
		list := protocol.Request{Type: protocol.TypeAgents}
		require.Empty(a, x.asks(list).Agents)
		failed := x.triggers(
			"e1",
			"",
		) // create failed: only whoever has triggered it hears of it, as of a run
		require.Equal(a, protocol.CodeNoAgentsDefined, failed.Error.Code)
		require.True(a, protocol.ServerMade(failed.RunID))
		x.told = nil
		x.ends(failed.RunID, "failed", failed.Error.Message)
		other.triggers("e1", "") // it listens from now on
		other.update()
		other.told = nil

		a.approves()
		require.Equal(a, []protocol.Agent{{ID: "e1", Name: "Enricher"}, {ID: "e2"}}, x.asks(list).Agents)
		ran := x.triggers("e1", "")
		require.Nil(a, ran.Error)
		require.Equal(a, ran.RunID, a.claims())
		x.told = nil
		x.hearsNothing()
		a.completes(ran.RunID)
		x.ends(ran.RunID, "completed", "")

		failed = x.triggers("e3", "") // create failed after an earlier run: a run of its own
		require.Equal(a, protocol.CodeAgentNotFound, failed.Error.Code)
		require.NotEqual(a, ran.RunID, failed.RunID)
		x.told = nil
		u := x.update()
		require.Equal(a, failed.RunID+" failed e3", u.RunID+" "+u.Status+" "+u.AgentID)
		x.told = nil

		long := x.asks(
			protocol.Request{
				Type:    protocol.TypeAgentTrigger,
				AgentID: "e1",
				Prompt:  strings.Repeat("x", runs.MaxPrompt+1),
			},
		)
		require.Equal(a, protocol.CodeTooLarge, long.Error.Code)
		x.told = nil
		require.Equal(a, long.RunID, x.update().RunID)

		once := x.triggers("e1", "m1")
		again := x.triggers("e1", "m1")
		require.Equal(a, once.RunID, again.RunID)
		require.True(a, again.Replayed)
		require.Equal(a, once.RunID, a.claims())
		a.says(
			a.internal(
				"agent-run-complete",
				`{"runId":"`+once.RunID+`","status":"failed","result":{"error":"It broke."}}`,
			),
			200,
			`{"ok":true}`,
		)
		x.told = nil
		x.ends(once.RunID, "failed", "It broke.")
		require.Equal(a, once.RunID, x.triggers("e1", "m1").RunID, "asked once more after its end")
		x.told = nil
		x.ends(once.RunID, "failed", "It broke.")
		other.hearsNothing() // runs of other tabs
	})
}

// claims waits until a run that was just triggered can be claimed.
func (a *agents) claims() (id string) {
	a.Helper()
	for ctx := live(a.T); id == ""; id = a.claim("") {
		require.NoError(a, ctx.Err(), "the run never waited for a worker")
	}
	return id
}

// TestAgentSocketAfterACut: a client that was cut asks for its run, on any gateway, and is told its end once,
// whether it came meanwhile or comes later.
func TestAgentSocketAfterACut(t *testing.T) {
	onTwo(t, func(a, b *agents) {
		a.approves()
		for _, endsMeanwhile := range []bool{true, false} {
			x := a.opens(creator)
			run := x.triggers("e1", "m").RunID
			if !endsMeanwhile {
				run = x.triggers("e1", "").RunID
			}
			require.Equal(a, run, b.claims())
			x.Cut()
			if endsMeanwhile {
				b.completes(run)
			}
			for _, gate := range []*agents{b, a} {
				y := gate.opens(creator)
				status := y.follows(run).Status
				y.told = nil
				if status == "streaming" {
					y.hearsNothing()
					b.completes(run)
				}
				y.ends(run, "completed", "")
			}
		}
		y := b.opens(creator)
		require.Equal(a, 200, a.person(owner, "POST", appPath+"/publish", "").Status)
		public := a.created(creator, strings.Replace(order, "draft", "published", 1))
		for _, unknown := range []string{strings.Repeat("0", 24), "x", public} {
			require.Equal(a, protocol.CodeRunNotFound, y.follows(unknown).Error.Code)
		}
	})
}

// TestAgentSocketWorkers: a worker that ends at once, and one that takes no run: `triggered` comes first.
func TestAgentSocketWorkers(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkerStub(t)
			a := &agents{t, serve(t, h.Open(t), w.hands(webhook))}
			a.approves()
			x := a.opens(creator)
			reported := make(chan error, 1)
			w.taken = func(id string) {
				go func() {
					_, err := client.Do(a.Context(), "POST", a.url+"/api/internal/agent-run-complete",
						`{"runId":"`+id+`","status":"completed"}`, "Authorization: Bearer "+internalToken)
					reported <- err
				}()
			}
			run := x.triggers("e1", "")
			require.Equal(t, protocol.TypeAgentTriggered, x.told[0].Type)
			x.ends(run.RunID, "completed", "")
			require.NoError(t, <-reported)
			w.mu.Lock()
			w.status, w.taken = 500, nil
			w.mu.Unlock()
			run = x.triggers("e1", "")
			require.Nil(t, run.Error)
			require.Equal(t, protocol.TypeAgentTriggered, x.told[0].Type)
			x.ends(run.RunID, "failed", "failed_to_start_agent")
		})
	}
}

// TestAgentSocketBeforeAWebApp: where a web app keeps runs the socket says so.
func TestAgentSocketBeforeAWebApp(t *testing.T) {
	t.Parallel()
	a := &agents{
		t,
		serve(
			t,
			harnesses()["model"].Open(t),
			withAgents,
			func(c *gateway.Config) { c.Agents.Forward = webApp(t) },
		),
	}
	x := a.opens(creator)
	require.NotContains(t, x.Welcome.Features, "agents")
	require.Equal(t, protocol.CodeUnknownType, x.asks(protocol.Request{Type: protocol.TypeAgents}).Error.Code)
	require.Equal(t, protocol.CodeUnknownType, x.triggers("e1", "").Error.Code)
	require.Equal(t, protocol.CodeUnknownType, x.follows("x").Error.Code)
}
