package mcp

import (
	"context"
	"encoding/json"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/protocol"
)

// longestWait bounds wait_for_changes: clients and proxies give up on calls of a minute.
const longestWait = 50 * time.Second

// changesAnswer is what changes_since and wait_for_changes answer.
type changesAnswer struct {
	Cursor  string         `json:"cursor"`
	Reset   string         `json:"reset,omitempty"`
	Changes []changeAnswer `json:"changes"`
	// Note says how to read what did not fit.
	Note string `json:"note,omitempty"`
}

type changeAnswer struct {
	Collection string          `json:"collection"`
	Operation  string          `json:"operation"`
	DocID      string          `json:"docId"`
	Doc        json.RawMessage `json:"doc,omitempty"`
}

func changesSince(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Cursor     string `json:"cursor"`
		Collection string `json:"collection"`
	}
	if err := decode(arguments, &in, "cursor, collection"); err != nil {
		return nil, err
	}
	return a.changes(ctx, in.Cursor, in.Collection, 0)
}

func waitForChanges(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Cursor     string `json:"cursor"`
		Collection string `json:"collection"`
		Seconds    int    `json:"seconds"`
	}
	if err := decode(arguments, &in, "cursor, collection, seconds"); err != nil {
		return nil, err
	}
	wait := time.Duration(in.Seconds) * time.Second
	switch {
	case in.Cursor == "":
		return nil, protocol.Errorf(
			protocol.CodeInvalidMessage,
			"wait_for_changes needs a cursor: changes_since gives one",
		)
	case in.Seconds == 0:
		wait = longestWait
	case wait < 0 || wait > longestWait:
		return nil, protocol.Errorf(
			protocol.CodeInvalidMessage,
			"seconds must be from 1 to %d",
			longestWait/time.Second,
		)
	}
	return a.changes(ctx, in.Cursor, in.Collection, wait)
}

func (a *agent) changes(
	ctx context.Context, cursor, collection string, wait time.Duration,
) (*sdk.CallToolResult, error) {
	c, refused := a.door.Env.Store.ChangesSince(ctx, a.principal, a.scope, cursor, collection, wait)
	if refused != nil {
		return nil, refused
	}
	out := changesAnswer{Cursor: c.Cursor, Reset: c.Reset, Changes: []changeAnswer{}}
	size := 0
	for _, change := range c.Changes {
		one := changeAnswer{
			Collection: change.Ref.Collection,
			Operation:  change.Op.String(),
			DocID:      change.Ref.ID,
		}
		if size += len(one.DocID) + len(one.Collection) + 60; change.Doc != nil && size < MaxAnswer {
			doc := change.Doc.Append(nil)
			if size += len(doc); size < MaxAnswer {
				one.Doc = doc
			}
		}
		if one.Doc == nil && change.Doc != nil {
			out.Note = `some documents did not fit: read them by query with where {"_id":{"$in":[…]}}`
		}
		if size > 2*MaxAnswer { // even names are too many
			out.Reset, out.Changes = protocol.ResetTooMuch, []changeAnswer{}
			break
		}
		out.Changes = append(out.Changes, one)
	}
	return structured(out)
}
