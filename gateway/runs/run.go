package runs

import (
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// The collections of a workspace's reserved scope.
const (
	collection  = "runs"
	transcripts = "runMessages" // {"messages": […]}, by transcriptOf
)

// transcriptOf is the id of a run's messages: an id of the run's form is for documents without one.
func transcriptOf(run string) string { return "run-" + run }

// Status is where a run is.
type Status string

// A run is pending until it is claimed, and streaming until it ends.
const (
	Pending   Status = "pending"
	Streaming Status = "streaming"
	Completed Status = "completed"
	Failed    Status = "failed"
)

// Ended reports whether the run is over. Ends are final.
func (s Status) Ended() bool { return s == Completed || s == Failed }

// Run is one run of an agent, as its document has it.
type Run struct {
	ID      string         `json:"-"`
	Scope   protocol.Scope `json:"-"` // the app's
	Created time.Time      `json:"-"`
	rev     string

	App         string `json:"appId"`
	Version     string `json:"sourceVersion"`
	AgentID     string `json:"agentId"`
	AgentName   string `json:"agentName"`
	Principal   string `json:"principal"`
	ByUserID    string `json:"triggeredByUserId"`
	ByUserName  string `json:"triggeredByUserName"`
	Prompt      string `json:"prompt"`
	Status      Status `json:"status"`
	StartedAt   string `json:"startedAt,omitempty"`
	AnsweredAt  string `json:"answeredAt,omitempty"` // whoever started it has been told
	Deadline    string `json:"deadline,omitempty"`
	EndedAt     string `json:"endedAt,omitempty"`
	HasMessages bool   `json:"hasMessages,omitempty"`
	// Result and Usage are the worker's words; null before it has reported.
	Result json.RawMessage `json:"result"`
	Usage  json.RawMessage `json:"usage"`
}

// decode reads a run's document.
func decode(workspace string, doc *protocol.Document) (r Run, err error) {
	if err := json.Unmarshal(doc.Data, &r); err != nil {
		return r, err
	}
	r.ID, r.rev, r.Created = doc.ID, doc.Rev, doc.Created
	r.Scope = protocol.Scope{Workspace: workspace, App: r.App, Draft: r.Version == "draft"}
	return r, nil
}

// Reason says why a run failed.
func (r *Run) Reason() string {
	var result struct{ Error string }
	if json.Unmarshal(r.Result, &result) == nil && result.Error != "" {
		return result.Error
	}
	return "Agent run failed"
}

func timestamp(t time.Time) string { return string(protocol.AppendTime(nil, t)) }

// moment reads what timestamp wrote. A text that is none is the zero time.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// failure is the result of a run that failed without a worker's word.
func failure(sentence string) json.RawMessage {
	text, _ := json.Marshal(map[string]string{"error": sentence}) // cannot fail
	return text
}
