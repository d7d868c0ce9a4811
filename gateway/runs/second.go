package runs

import (
	"context"
	"encoding/json"
	"net/http"
)

// Runtime is what a worker of Second runs agents with. It needs all three.
type Runtime struct {
	ID, Model string
	Params    json.RawMessage // an object
}

// Second sends each run to a worker of Second.
type Second struct {
	worker  Worker
	runtime Runtime
	client  *http.Client
}

// NewSecond sends runs to the worker at a URL.
func NewSecond(w Worker, r Runtime) *Second { return &Second{w, r, newClient(w.URL)} }

// Start implements [Driver].
func (s *Second) Start(ctx context.Context, run Run, agent json.RawMessage) error {
	var config secondAgent
	if err := json.Unmarshal(agent, &config); err != nil {
		return err
	}
	config.ID, config.Name = run.AgentID, run.AgentName
	to := s.worker.URL.JoinPath("sessions", run.App+"__agent__"+run.ID, "agent-run")
	return s.worker.post(ctx, s.client, to, secondRun{
		RunID: run.ID, Prompt: run.Prompt, SystemPrompt: config.SystemPrompt, AgentConfig: config,
		AllowedTools: config.allowed(), RuntimeID: s.runtime.ID, RuntimeModel: s.runtime.Model,
		RuntimeParams: s.runtime.Params, WorkspaceID: run.Scope.Workspace, AppID: run.App, Version: run.Version,
		CallbackURL: s.worker.callback(),
	})
}

// secondAgent is an agent as the worker is told of it. What agents.json has of another kind is left out.
type secondAgent struct {
	ID              string          `json:"id"`
	Name            string          `json:"name"`
	SystemPrompt    loose[string]   `json:"systemPrompt"`
	Tools           loose[[]any]    `json:"tools"`
	DataCollections loose[[]string] `json:"dataCollections"`
}

// loose is a value that is zero where agents.json has one of another kind.
type loose[T any] struct{ value T }

// UnmarshalJSON implements [json.Unmarshaler]. It never fails.
func (l *loose[T]) UnmarshalJSON(text []byte) error {
	var v T
	if json.Unmarshal(text, &v) == nil {
		l.value = v
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (l loose[T]) MarshalJSON() ([]byte, error) { return json.Marshal(l.value) }

// allowed are the names of the builtin tools that are switched on.
func (a *secondAgent) allowed() []string {
	names := []string{}
	for _, tool := range a.Tools.value {
		t, _ := tool.(map[string]any)
		name, named := t["name"].(string)
		if on, _ := t["enabled"].(bool); on && named && t["type"] == "builtin" {
			names = append(names, name)
		}
	}
	return names
}

type secondRun struct {
	RunID         string          `json:"runId"`
	Prompt        string          `json:"prompt"`
	SystemPrompt  loose[string]   `json:"systemPrompt"`
	AgentConfig   secondAgent     `json:"agentConfig"`
	AllowedTools  []string        `json:"allowedTools"`
	RuntimeID     string          `json:"runtimeId"`
	RuntimeModel  string          `json:"runtimeModel"`
	RuntimeParams json.RawMessage `json:"runtimeParams"`
	WorkspaceID   string          `json:"workspaceId"`
	AppID         string          `json:"appId"`
	Version       string          `json:"sourceVersion"`
	CallbackURL   string          `json:"callbackUrl"`
}
