package runs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// Order is what somebody wants an agent to do.
type Order struct {
	AgentID, Prompt string
	// MutationID makes an order that is given again the same run; may be empty.
	MutationID string
}

// MaxPrompt is the greatest length of a prompt, in bytes.
const MaxPrompt = 256 << 10

// Create makes a run of an agent of a version. replayed: the same order was given before.
func (r *Runs) Create(
	ctx context.Context, p access.Principal, s protocol.Scope, o Order,
) (run Run, replayed bool, refused *protocol.Error) {
	if len(o.Prompt) > MaxPrompt {
		return run, false, protocol.Errorf(
			protocol.CodeTooLarge,
			"the prompt is %d bytes; it may have %d: keep what is long in a document",
			len(o.Prompt),
			MaxPrompt,
		)
	}
	agent, refused := r.Agent(ctx, s, o.AgentID)
	if refused != nil {
		return run, false, refused
	}
	now := r.now()
	run = Run{
		Scope: s, App: s.App, Version: s.Version(), AgentID: o.AgentID, AgentName: nameOf(agent, o.AgentID),
		Principal: p.ID, ByUserID: p.Actor.ID, ByUserName: p.Name, Prompt: o.Prompt, Status: Pending,
		Result: json.RawMessage("null"), Usage: json.RawMessage("null"),
	}
	q := protocol.Request{Type: protocol.TypeInsert, Collection: collection, MutationID: mutationOf(p, s, o)}
	var err error
	if q.Data, err = canonical(run); err != nil {
		return run, false, r.store.Failure(&q, err)
	}
	answer := r.store.WriteOwn(ctx, systemScope(s.Workspace), &q, together(
		r.Trail.Beside(r.row(&run, "created", starter(p, s))), func(c []backends.Change) []backends.Entry {
			return []backends.Entry{
				located(c[0].Ref.ID, s.Workspace, now),
				due(c[0].Ref.ID, s.Workspace, now, now.Add(r.TimeLimit)),
			}
		}))
	switch {
	case answer.Err != nil:
		return run, false, answer.Err
	case answer.Doc == nil: // the order is a day old, and its run was removed
		return run, false, errNoRun
	}
	if run, err = decode(s.Workspace, answer.Doc); err != nil {
		return run, false, r.store.Failure(&q, err)
	}
	return run, answer.Replayed, nil
}

// nameOf is an agent's name, or what it goes by without one.
func nameOf(agent json.RawMessage, id string) string {
	var named struct{ Name string }
	if json.Unmarshal(agent, &named) != nil || named.Name == "" {
		return id
	}
	return named.Name
}

// mutationOf tells the orders of different people and apps apart: all runs of a workspace are the gateway's
// own documents.
func mutationOf(p access.Principal, s protocol.Scope, o Order) string {
	if o.MutationID == "" {
		return ""
	}
	text, _ := json.Marshal([]string{p.ID, s.App, s.Version(), o.MutationID}) // cannot fail
	sum := sha256.Sum256(text)
	return "run-" + hex.EncodeToString(sum[:])
}

// together are the entries of several.
func together(all ...func([]backends.Change) []backends.Entry) func([]backends.Change) []backends.Entry {
	return func(c []backends.Change) (entries []backends.Entry) {
		for _, one := range all {
			entries = append(entries, one(c)...)
		}
		return entries
	}
}
