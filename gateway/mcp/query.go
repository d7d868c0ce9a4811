package mcp

import (
	"context"
	"encoding/json"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// queryAnswer is what query answers.
type queryAnswer struct {
	Docs []json.RawMessage `json:"docs"`
	// Next is for after, if there are more.
	Next  string `json:"next,omitempty"`
	Count *int   `json:"count,omitempty"`
}

func queryData(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Collection string          `json:"collection"`
		Where      json.RawMessage `json:"where"`
		Order      []string        `json:"order"`
		Limit      int             `json:"limit"`
		After      string          `json:"after"`
		Fields     []string        `json:"fields"`
		Count      bool            `json:"count"`
	}
	if err := decode(arguments, &in, "collection, where, order, limit, after, fields, count"); err != nil {
		return nil, err
	}
	fields := map[string]any{"collection": in.Collection}
	set(fields, "where", in.Where, len(in.Where) > 0)
	set(fields, "order", in.Order, in.Order != nil)
	set(fields, "limit", in.Limit, in.Limit != 0)
	set(fields, "after", in.After, in.After != "")
	set(fields, "fields", in.Fields, in.Fields != nil)
	set(fields, "count", in.Count, in.Count)
	r, err := a.request(ctx, protocol.TypeQuery, fields)
	if err != nil {
		return nil, err
	}
	answer, err := a.query(ctx, r)
	if err != nil {
		return nil, err
	}
	return structured(answer)
}

// set adds a field of a frame that is given.
func set(fields map[string]any, name string, value any, given bool) {
	if given {
		fields[name] = value
	}
}

// query answers with as many documents as an agent can read, and asks again for fewer if they were too many:
// next must stand behind the last of them.
func (a *agent) query(ctx context.Context, r *protocol.Request) (out queryAnswer, err error) {
	room, refused := door.Room(ctx, a.door.Env.Memory, store.QueryBytes)
	if refused != nil {
		return out, refused
	}
	defer a.door.Env.Memory.Release(room)
	for {
		answer, _ := a.door.Env.Store.Query(ctx, a.principal, a.scope, r, store.Read{})
		if answer.Err != nil {
			return out, answer.Err
		}
		docs, fits := appendDocs(answer.Docs, MaxAnswer)
		if fits < len(answer.Docs) {
			r.Limit = fits
			continue
		}
		if fits == 1 && len(docs[0]) > MaxAnswer {
			return out, errLong(answer.Docs[0].ID, len(docs[0]))
		}
		out = queryAnswer{Docs: docs, Next: answer.Next}
		if r.Count {
			out.Count = &answer.Count
		}
		return out, nil
	}
}

// errLong is for a document that no answer has room for.
func errLong(id string, bytes int) *protocol.Error {
	return protocol.Errorf(protocol.CodeTooLarge,
		"the document %q is %d bytes, and an answer has %d: use query with where on _id and fields", id, bytes, MaxAnswer)
}
