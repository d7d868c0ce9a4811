package mcp

import (
	"context"
	"encoding/json"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// written is what write answers.
type written struct {
	// ChangeSet is for undo.
	ChangeSet string          `json:"changeSet,omitempty"`
	Replayed  bool            `json:"replayed,omitempty"`
	Results   []writtenResult `json:"results"`
}

type writtenResult struct {
	Operation  string `json:"operation"`
	Collection string `json:"collection"`
	DocID      string `json:"docId"`
	Rev        string `json:"rev,omitempty"`
	Created    bool   `json:"created,omitempty"`
}

func writeData(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Operations []json.RawMessage `json:"operations"`
		MutationID string            `json:"mutationId"`
		DryRun     bool              `json:"dryRun"`
		ApprovalID string            `json:"approvalId"`
	}
	if err := decode(arguments, &in, "operations, mutationId, dryRun, approvalId"); err != nil {
		return nil, err
	}
	fields := map[string]any{"operations": in.Operations}
	set(fields, "mutationId", in.MutationID, in.MutationID != "")
	r, err := a.request(ctx, protocol.TypeBatch, fields)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return a.dryRun(ctx, r)
	}
	l := large{"write", map[string]any{"operations": in.Operations}, len(r.Operations), in.ApprovalID}
	if answer, err := a.capped(ctx, l); answer != nil || err != nil {
		return answer, err
	}
	w := a.door.Env.Store.Write(ctx, a.principal, a.scope, []*protocol.Request{r})[0].Answer
	if w.Err != nil {
		return nil, w.Err
	}
	out := written{ChangeSet: a.principal.ChangeSet, Replayed: w.Replayed}
	if w.Replayed { // the set is the first time's
		out.ChangeSet = ""
	}
	for i := range w.Results {
		one := &w.Results[i]
		result := writtenResult{
			Operation: string(r.Operations[i].Type[len("second:data:"):]), Collection: r.Operations[i].Collection,
			DocID: one.DocID, Created: one.Created && r.Operations[i].Type == protocol.TypeUpsert,
		}
		if one.Doc != nil {
			result.Rev = one.Doc.Rev
		}
		out.Results = append(out.Results, result)
	}
	return structured(out)
}

// difference is what one operation would do.
type difference struct {
	Collection string          `json:"collection"`
	DocID      string          `json:"docId"`
	Before     json.RawMessage `json:"before"`
	After      json.RawMessage `json:"after"`
}

func (a *agent) dryRun(ctx context.Context, r *protocol.Request) (*sdk.CallToolResult, error) {
	all, refused := a.door.Env.Store.DryRun(ctx, a.principal, a.scope, r)
	if refused != nil {
		return nil, refused
	}
	out := struct {
		DryRun      bool         `json:"dryRun"`
		Differences []difference `json:"differences"`
		Left        int          `json:"left,omitempty"` // differences that did not fit
	}{DryRun: true, Differences: []difference{}}
	size := 0
	for i := range all {
		d := differenceOf(&all[i])
		if size += len(d.Before) + len(d.After) + 100; size > MaxAnswer && i > 0 {
			out.Left = len(all) - i
			break
		}
		out.Differences = append(out.Differences, d)
	}
	return structured(out)
}

func differenceOf(d *store.Difference) difference {
	null := json.RawMessage("null")
	out := difference{Collection: d.Ref.Collection, DocID: d.Ref.ID, Before: null, After: null}
	if d.Before != nil {
		out.Before = d.Before.AppendBare(nil)
	}
	if d.After != nil {
		out.After = d.After.AppendBare(nil)
	}
	return out
}
