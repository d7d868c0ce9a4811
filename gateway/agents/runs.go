package agents

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/protocol"
)

// createRun is POST …/agent-runs {agentId, prompt, sourceVersion?}. The draft of somebody who may
// not see it is the published version.
func (d *Door) createRun(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	var asked struct{ AgentID, Prompt, SourceVersion any }
	if err := json.Unmarshal(p.body, &asked); err != nil {
		return nil, protocol.Errorf(
			protocol.CodeInvalidJSON,
			"the body must be a JSON object with agentId and prompt",
		)
	}
	key, refused := door.IdempotencyKey(r)
	if refused != nil {
		return nil, refused
	}
	order := runs.Order{MutationID: key}
	order.AgentID, _ = asked.AgentID.(string) // no agent has an id of another kind
	order.Prompt, _ = asked.Prompt.(string)
	p.scope.Draft = asked.SourceVersion == "draft"
	if p.scope.Draft {
		drafts, refused := d.seesDraft(r, p)
		if refused != nil {
			return nil, refused
		}
		p.scope.Draft = drafts
	}
	run, _, refused := d.Runs.Create(r.Context(), p.principal, p.scope, order)
	if refused != nil {
		return nil, refused
	}
	return reply{status: http.StatusCreated, body: map[string]string{"runId": run.ID}}, nil
}

// seesDraft reports whether somebody who may see an app may see its draft.
func (d *Door) seesDraft(r *http.Request, p *person) (bool, *protocol.Error) {
	s := p.scope
	s.Draft = true
	refused := d.Env.Mode.Allow(r.Context(), p.principal, s, access.Read)
	if refused != nil && refused.Code.Info().Retryable {
		return false, refused
	}
	return refused == nil, nil
}

// find is the run that a URL names, if p may see it.
func (d *Door) find(r *http.Request, p *person) (runs.Run, *protocol.Error) {
	run, refused := d.Runs.Find(r.Context(), p.scope, door.Segment(r, "run"))
	if refused != nil || !run.Scope.Draft {
		return run, refused
	}
	sees, refused := d.seesDraft(r, p)
	if refused == nil && !sees {
		_, refused = d.Runs.Find(r.Context(), p.scope, "") // as of a run that is not there
	}
	return run, refused
}

// startRun is POST …/agent-runs/{id}/stream?startOnly=1.
func (d *Door) startRun(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	if p.query.Get("startOnly") != "1" {
		return nil, protocol.Errorf(
			protocol.CodeInvalidMessage,
			"conversations are not streamed here: start the run with ?startOnly=1 and read it when it has ended",
		)
	}
	run, refused := d.find(r, p)
	if refused != nil {
		return nil, refused
	}
	started, refused := d.Runs.Start(r.Context(), p.principal, run)
	switch {
	case refused != nil:
		return nil, refused
	case !started:
		return map[string]string{"status": "already_started"}, nil
	}
	return reply{
		status: http.StatusOK, body: map[string]string{"status": "started"},
		sent: func() { d.Runs.Answered(context.WithoutCancel(r.Context()), run) }, // the request's time is over
	}, nil
}

// runSummary is GET …/agent-runs/{id}?summary=1.
type runSummary struct {
	ID        string          `json:"id"`
	AgentID   string          `json:"agentId"`
	AgentName string          `json:"agentName"`
	Prompt    string          `json:"prompt"`
	Status    runs.Status     `json:"status"`
	Result    json.RawMessage `json:"result"`
	Usage     json.RawMessage `json:"usage"`
	CreatedAt time.Time       `json:"createdAt"`
}

// runWhole is the same without ?summary=1.
type runWhole struct {
	runSummary
	Messages json.RawMessage `json:"messages"`
}

func (d *Door) showRun(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	run, refused := d.find(r, p)
	if refused != nil {
		return nil, refused
	}
	summary := runSummary{
		run.ID, run.AgentID, run.AgentName, run.Prompt, run.Status, run.Result, run.Usage, run.Created.UTC(),
	}
	if p.query.Get("summary") == "1" {
		return summary, nil
	}
	messages, refused := d.Runs.Messages(r.Context(), run)
	return runWhole{summary, messages}, refused
}

// listedRun is a run of GET …/agent-runs.
type listedRun struct {
	ID         string      `json:"id"`
	AgentID    string      `json:"agentId"`
	AgentName  string      `json:"agentName"`
	Prompt     string      `json:"prompt"`
	Status     runs.Status `json:"status"`
	ByUserID   string      `json:"triggeredByUserId"`
	ByUserName string      `json:"triggeredByUserName"`
	CreatedAt  time.Time   `json:"createdAt"`
}

func (d *Door) listRuns(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	drafts, refused := d.seesDraft(r, p)
	if refused != nil {
		return nil, refused
	}
	newest, refused := d.Runs.List(r.Context(), p.scope, drafts)
	listed := []listedRun{}
	for _, run := range newest {
		listed = append(listed, listedRun{
			run.ID, run.AgentID, run.AgentName, run.Prompt, run.Status, run.ByUserID, run.ByUserName, run.Created.UTC(),
		})
	}
	return map[string][]listedRun{"runs": listed}, refused
}

// usage is GET …/agent-runs/usage.
func (d *Door) usage(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	drafts, refused := d.seesDraft(r, p)
	if refused != nil {
		return nil, refused
	}
	return d.Runs.Sum(r.Context(), p.scope, drafts)
}
