package runs

import (
	"context"
	"encoding/json"
	"net/http"
)

// Webhook sends each run to one URL.
type Webhook struct {
	worker Worker
	client *http.Client
}

// NewWebhook sends runs to a worker's URL.
func NewWebhook(w Worker) *Webhook { return &Webhook{w, newClient(w.URL)} }

// Start implements [Driver].
func (h *Webhook) Start(ctx context.Context, run Run, agent json.RawMessage) error {
	return h.worker.post(ctx, h.client, h.worker.URL, webhookRun{
		RunID: run.ID, WorkspaceID: run.Scope.Workspace, AppID: run.App, Version: run.Version, Agent: agent,
		Prompt: run.Prompt, CallbackURL: h.worker.callback(),
	})
}

type webhookRun struct {
	RunID       string          `json:"runId"`
	WorkspaceID string          `json:"workspaceId"`
	AppID       string          `json:"appId"`
	Version     string          `json:"sourceVersion"`
	Agent       json.RawMessage `json:"agent"`
	Prompt      string          `json:"prompt"`
	CallbackURL string          `json:"callbackUrl"`
}
