package mcp

import (
	"context"
	"encoding/json"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// shownDeletes is how many of the documents that a deletion would delete are shown.
const shownDeletes = 10

func deleteWhere(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Collection string          `json:"collection"`
		Where      json.RawMessage `json:"where"`
		Token      string          `json:"token"`
		ApprovalID string          `json:"approvalId"`
	}
	if err := decode(arguments, &in, "collection and where, or token; approvalId"); err != nil {
		return nil, err
	}
	if in.Token != "" {
		if in.Collection != "" || len(in.Where) > 0 {
			return nil, protocol.Errorf(protocol.CodeInvalidMessage,
				"a token deletes what was shown: send it without collection and where")
		}
		return a.deleteShown(ctx, in.Token, in.ApprovalID)
	}
	if len(in.Where) == 0 {
		return nil, protocol.Errorf(protocol.CodeInvalidMessage,
			`say what to delete by where, such as {"status":"lost"}; {} is every document`)
	}
	r, err := a.request(
		ctx,
		protocol.TypeQuery,
		map[string]any{"collection": in.Collection, "where": in.Where},
	)
	if err != nil {
		return nil, err
	}
	room, refused := door.Room(ctx, a.door.Env.Memory, store.QueryBytes)
	if refused != nil {
		return nil, refused
	}
	defer a.door.Env.Memory.Release(room)
	p, refused := a.door.Env.Store.PreviewDelete(ctx, a.principal, a.scope, r, shownDeletes)
	if refused != nil {
		return nil, refused
	}
	docs, _ := appendDocs(p.First, MaxAnswer)
	says := "Nothing was deleted yet. Call delete_where again with this token alone to delete exactly these documents."
	if p.Matches == 0 {
		says = "Nothing matches."
	}
	return structured(struct {
		Matches int               `json:"matches"`
		Token   string            `json:"token,omitempty"`
		First   []json.RawMessage `json:"first"`
		Says    string            `json:"says"`
	}{p.Matches, p.Token, docs, says})
}

func (a *agent) deleteShown(ctx context.Context, token, approvalID string) (*sdk.CallToolResult, error) {
	n, refused := a.door.Env.Store.Previewed(ctx, a.principal, a.scope, token)
	if refused != nil {
		return nil, refused
	}
	l := large{"delete_where", map[string]string{"token": token}, n, approvalID}
	if answer, err := a.capped(ctx, l); answer != nil || err != nil {
		return answer, err
	}
	deleted, refused := a.door.Env.Store.DeletePreviewed(ctx, a.principal, a.scope, token)
	if refused != nil {
		return nil, refused
	}
	return structured(struct {
		Deleted   int    `json:"deleted"`
		ChangeSet string `json:"changeSet"`
	}{deleted, a.principal.ChangeSet})
}
