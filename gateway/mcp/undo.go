package mcp

import (
	"context"
	"encoding/json"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func undoChanges(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		ChangeSet string `json:"changeSet"`
	}
	if err := decode(arguments, &in, "changeSet"); err != nil {
		return nil, err
	}
	done, refused := a.door.Env.Store.Undo(ctx, a.principal, a.scope, in.ChangeSet)
	if refused != nil {
		return nil, refused
	}
	return structured(struct {
		ChangeSet string `json:"changeSet"`
		Documents int    `json:"documents"`
	}{done.ChangeSet, done.Documents})
}
