package agents

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/protocol"
)

// worker checks a worker's token, reads the body, and has a call about runs served.
func (d *Door) worker(serve func(ctx context.Context, body []byte) *answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := d.admit(r)
		if a == nil {
			body, room, refused := d.Env.TakeBody(w, r)
			defer d.Env.Memory.Release(room)
			if refused != nil {
				a = refuse(refused)
			} else if refused = d.Env.Parse(r.Context(), body, func(body []byte) { a = serve(r.Context(), body) }); refused != nil {
				a = refuse(refused)
			}
		}
		d.writeAnswer(w, r, a)
	}
}

// report is POST /api/internal/agent-run-complete {runId, status, result, usage, messages}. It says
// nothing of the run's app, and may come several times.
func (d *Door) report(ctx context.Context, body []byte) *answer {
	var said struct {
		RunID                   any
		Status                  any
		Result, Usage, Messages json.RawMessage
	}
	if json.Unmarshal(body, &said) != nil {
		return sentence(http.StatusBadRequest, "Invalid JSON body")
	}
	id, _ := said.RunID.(string)
	if id == "" || said.Status == nil || said.Status == "" {
		return sentence(http.StatusBadRequest, "runId and status required")
	}
	report := runs.Report{
		Status:   runs.Failed,
		Result:   said.Result,
		Usage:    said.Usage,
		Messages: said.Messages,
	}
	if said.Status == string(runs.Completed) {
		report.Status = runs.Completed
	}
	complete := func(ctx context.Context) *protocol.Error { return d.Runs.Complete(ctx, id, report) }
	refused := unavailable(ctx, complete)
	if refused != nil {
		return refuse(refused)
	}
	return &answer{status: http.StatusOK, body: []byte(`{"ok":true}`)}
}

// claimed is a run as the worker gets it.
type claimed struct {
	RunID       string          `json:"runId"`
	WorkspaceID string          `json:"workspaceId"`
	AppID       string          `json:"appId"`
	Version     string          `json:"sourceVersion"`
	Prompt      string          `json:"prompt"`
	Agent       json.RawMessage `json:"agent"`
}

// claim is POST /api/internal/agent-run-claim {workspaceId?}: the oldest run that waits, or 204.
func (d *Door) claim(ctx context.Context, body []byte) *answer {
	var asked struct{ WorkspaceID any }
	if len(body) > 0 && json.Unmarshal(body, &asked) != nil {
		return failed(http.StatusBadRequest, "Invalid JSON body", protocol.CodeInvalidJSON)
	}
	workspace, isText := asked.WorkspaceID.(string)
	if asked.WorkspaceID != nil && !isText {
		return failed(http.StatusBadRequest, "workspaceId must be a string", protocol.CodeInvalidMessage)
	}
	run, agent, found, refused := d.Runs.Claim(ctx, workspace)
	switch {
	case refused != nil:
		return refuse(refused)
	case !found:
		return &answer{status: http.StatusNoContent}
	}
	// Marshal cannot fail: all of it are strings.
	text, _ := json.Marshal(claimed{run.ID, run.Scope.Workspace, run.App, run.Version, run.Prompt, agent})
	return &answer{status: http.StatusOK, body: text}
}
