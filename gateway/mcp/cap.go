package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/protocol"
)

// DefaultCap is how many documents one call may change, unless the operator says otherwise.
const DefaultCap = 100

// large is a call that may be too large for an agent to make by itself.
type large struct {
	tool       string
	call       any // what the call is, less its approvalId
	documents  int
	approvalID string
}

// capped returns nil if the call may be made: it is small, or a person has allowed this very call. Otherwise
// it returns the answer that says how to have it allowed.
func (a *agent) capped(ctx context.Context, l large) (*sdk.CallToolResult, error) {
	if l.documents <= a.door.Cap {
		return nil, nil
	}
	text, err := json.Marshal(l.call)
	if err == nil {
		text, err = protocol.Canonical(text)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append([]byte(l.tool+" "), text...))
	r := approvals.Request{
		ID: l.approvalID, Agent: a.principal.Actor.ID, Documents: l.documents,
		Digest: base64.RawURLEncoding.EncodeToString(sum[:]),
		Says:   fmt.Sprintf("%s of %d documents", l.tool, l.documents),
	}
	if action, answered := a.answered(); answered && a.door.Elicitation {
		allowed, err := a.door.Requests.Answer(ctx, a.scope, r, action == "accept")
		switch {
		case err != nil || allowed && action == "accept":
			return nil, err
		case action != "accept":
			return nil, errDeclined
		}
	}
	if l.approvalID != "" {
		allowed, err := a.door.Requests.Use(ctx, a.scope, r)
		if err != nil || allowed {
			return nil, err
		}
	}
	id, err := a.door.Requests.Ask(ctx, a.scope, r)
	if err != nil {
		return nil, err
	}
	if a.door.Elicitation && a.canAsk() {
		return asking(
			fmt.Sprintf("Allow the agent %s a %s of %d documents?", r.Agent, l.tool, l.documents),
		), nil
	}
	return structured(struct {
		NeedsApproval bool   `json:"needsApproval"`
		ApprovalID    string `json:"approvalId"`
		Documents     int    `json:"documents"`
		Cap           int    `json:"cap"`
		Says          string `json:"says"`
	}{true, id, l.documents, a.door.Cap, fmt.Sprintf(
		"Nothing was changed. A call may change %d documents, and this one would change %d. Ask a person to allow %s, "+
			"then make the same call again with approvalId, or change fewer documents at once.",
		a.door.Cap, l.documents, id)})
}

var errDeclined = protocol.Errorf(protocol.CodeForbidden,
	"a person was asked and did not allow it: nothing was changed")

// allowRequest is the name of the question that a client asks its person.
const allowRequest = "allow"

// canAsk reports whether the client can ask its person, and send the same call again with the answer.
func (a *agent) canAsk() bool {
	c := a.asks.ClientCapabilities()
	return c != nil && c.Elicitation != nil && a.asks.Extra != nil &&
		a.asks.Extra.Header.Get("MCP-Protocol-Version") >= "2026-07-28"
}

// asking has the client ask its person.
func asking(message string) *sdk.CallToolResult {
	return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{allowRequest: &sdk.ElicitParams{
		Mode: "form", Message: message, RequestedSchema: json.RawMessage(`{"type":"object","properties":{}}`),
	}}}
}

// answered is what the client's person said, if it was asked: accept, decline or cancel.
func (a *agent) answered() (action string, ok bool) {
	answer, ok := a.asks.Params.InputResponses[allowRequest].(*sdk.ElicitResult)
	if !ok || answer == nil {
		return "", false
	}
	return answer.Action, true
}
