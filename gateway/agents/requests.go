package agents

import (
	"encoding/json"
	"net/http"

	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

// versioned has a request be about the version that its URL names. What is published is for those who publish.
func (p *person) versioned() *protocol.Error {
	p.scope.Draft = p.query.Get("version") == "draft"
	if !p.scope.Draft && !p.principal.Manages(p.scope) {
		return protocol.Errorf(protocol.CodeForbidden, "%s", managers.says)
	}
	return nil
}

// requests is GET …/agents/requests: the calls of agents that wait for a person.
func (d *Door) requests(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	if refused := p.versioned(); refused != nil {
		return nil, refused
	}
	waiting, err := d.Requests.Waiting(r.Context(), p.scope)
	if err != nil {
		return nil, d.Env.Store.Failure(&protocol.Request{}, err)
	}
	return map[string][]approvals.Request{"items": waiting}, nil
}

// decide is POST …/agents/requests/{id} {allow}.
func (d *Door) decide(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	if refused := p.versioned(); refused != nil {
		return nil, refused
	}
	var asked struct{ Allow *bool }
	if json.Unmarshal(p.body, &asked) != nil || asked.Allow == nil {
		return nil, protocol.Errorf(protocol.CodeInvalidMessage, `say whether it is allowed: {"allow":true}`)
	}
	err := d.Requests.Decide(r.Context(), p.principal, p.scope, door.Segment(r, "request"), *asked.Allow)
	if err != nil {
		return nil, d.Env.Store.Failure(&protocol.Request{}, err)
	}
	return map[string]bool{"ok": true}, nil
}
