package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"

	fast "github.com/go-json-experiment/json"
)

// Received is any message of a gateway as a client in Go reads it: the union of all fields. Unknown
// fields and types are ignored, as every client must.
type Received struct {
	Type         Type              `json:"type"`
	RequestID    string            `json:"requestId"`
	ConnectionID string            `json:"connectionId"`
	Resumed      bool              `json:"resumed"`
	HeartbeatMS  int               `json:"heartbeatMs"`
	Limits       Limits            `json:"limits"`
	Features     []string          `json:"features"`
	Collection   string            `json:"collection"`
	Operation    string            `json:"operation"`
	DocID        string            `json:"docId"`
	Doc          json.RawMessage   `json:"doc"`
	By           *Author           `json:"by"`
	Docs         []json.RawMessage `json:"docs"`
	Next         string            `json:"next"`
	Count        int               `json:"count"`
	Created      bool              `json:"created"`
	Replayed     bool              `json:"replayed"`
	Results      []Received        `json:"results"`
	Cursor       string            `json:"cursor"`
	Reason       string            `json:"reason"`
	Collections  []string          `json:"collections"`
	SpreadMS     int               `json:"spreadMs"`
	RetryAfterMS int               `json:"retryAfterMs"`
	User         ReceivedUser      `json:"user"`
	Role         string            `json:"role"`
	Rights       []string          `json:"rights"`
	ExpiresAt    string            `json:"expiresAt"`
	Agents       []Agent           `json:"agents"`
	AgentID      string            `json:"agentId"`
	RunID        string            `json:"runId"`
	Status       string            `json:"status"`
	Error        *ReceivedError    `json:"error"`
}

// ReceivedUser is whose connection it is.
type ReceivedUser struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ReceivedError is an error as a client reads it.
type ReceivedError struct {
	Code      Code   `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
}

// UnmarshalJSON also reads the sentence alone, which second:agent:update has.
func (e *ReceivedError) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return fast.Unmarshal(text, &e.Message)
	}
	type plain ReceivedError
	return fast.Unmarshal(text, (*plain)(e))
}

// DecodeFrame reads a frame of the gateway: one message or an array of them.
func DecodeFrame(frame []byte) ([]Received, error) {
	trimmed := bytes.TrimSpace(frame)
	if len(trimmed) > 0 && trimmed[0] == '[' {
		var many []Received
		if err := fast.Unmarshal(trimmed, &many); err != nil {
			return nil, fmt.Errorf("frame: %w", err)
		}
		return many, nil
	}
	var one Received
	if err := fast.Unmarshal(trimmed, &one); err != nil {
		return nil, fmt.Errorf("frame: %w", err)
	}
	return []Received{one}, nil
}
