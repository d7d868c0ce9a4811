package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// The two tools of today's workers, with their arguments and their texts.

func updateAppData(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Collection string          `json:"collection"`
		Operation  string          `json:"operation"`
		Filter     json.RawMessage `json:"filter"`
		Data       json.RawMessage `json:"data"`
	}
	if err := decode(arguments, &in, "collection, operation, filter, data"); err != nil {
		return nil, err
	}
	if denied := a.denied(ctx, "write to", in.Collection); denied != nil {
		return denied, nil
	}
	r, err := a.appDataRequest(ctx, in.Operation, in.Collection, in.Filter, in.Data)
	var answer protocol.Answer
	if err == nil {
		answer = a.door.Env.Store.Write(ctx, a.principal, a.scope, []*protocol.Request{r})[0].Answer
		err = refusal(answer.Err)
	}
	if err != nil {
		return &sdk.CallToolResult{
			IsError: true,
			Content: text(fmt.Sprintf("Failed to %s data: %s", in.Operation, store.ClientError(err).Message)),
		}, nil
	}
	body := []byte(`{"success":true`)
	if answer.Doc != nil {
		body = answer.Doc.AppendBare(append(body, `,"doc":`...))
	}
	return &sdk.CallToolResult{Content: text(indented(append(body, '}')))}, nil
}

// denied is today's worker's refusal; nil if the agent may use the collection.
func (a *agent) denied(ctx context.Context, how, collection string) *sdk.CallToolResult {
	allowed := a.collections(ctx)
	if slices.Contains(allowed, collection) {
		return nil
	}
	return &sdk.CallToolResult{IsError: true, Content: text(fmt.Sprintf(
		`Access denied: agent is not allowed to %s collection "%s". Allowed: %s`,
		how, collection, strings.Join(allowed, ", ")))}
}

func (a *agent) appDataRequest(
	ctx context.Context, operation, collection string, filter, data json.RawMessage,
) (*protocol.Request, error) {
	fields := map[string]any{"collection": collection}
	var named struct {
		ID any `json:"_id"`
	}
	_ = json.Unmarshal(filter, &named) // anything but an object names nothing
	id, _ := named.ID.(string)
	switch operation {
	case "insert":
	case "upsert":
		if len(filter) == 0 {
			return nil, protocol.Errorf(protocol.CodeInvalidFilter,
				"filter is empty: name the fields that identify the document")
		}
		fields["filter"], fields["paths"] = filter, true
	case "update", "delete":
		if id == "" {
			return nil, protocol.Errorf(
				protocol.CodeInvalidFilter,
				"filter._id is required for %s",
				operation,
			)
		}
		fields["docId"] = id
		set(fields, "paths", true, operation == "update")
	default:
		return nil, protocol.Errorf(
			protocol.CodeInvalidMessage,
			"operation must be insert, update, upsert or delete",
		)
	}
	set(fields, "data", data, operation != "delete" && len(data) > 0)
	return a.request(ctx, protocol.Type("second:data:"+operation), fields)
}

func readAppData(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Collection string `json:"collection"`
		DocID      string `json:"docId"`
	}
	if err := decode(arguments, &in, "collection, docId"); err != nil {
		return nil, err
	}
	if denied := a.denied(ctx, "read", in.Collection); denied != nil {
		return denied, nil
	}
	if in.DocID != "" {
		r := &protocol.Request{Type: protocol.TypeDoc, Collection: in.Collection, DocID: in.DocID}
		answer, _ := a.door.Env.Store.Doc(ctx, a.principal, a.scope, r, store.Read{})
		switch {
		case answer.Err != nil:
			return nil, answer.Err
		case answer.Doc == nil:
			return &sdk.CallToolResult{Content: text("[]")}, nil
		}
		body := answer.Doc.AppendBare(nil)
		if len(body) > MaxAnswer {
			return nil, errLong(in.DocID, len(body))
		}
		return &sdk.CallToolResult{Content: text(indented(body))}, nil
	}
	r := &protocol.Request{Type: protocol.TypeList, Collection: in.Collection}
	answer, _ := a.door.Env.Store.List(ctx, a.principal, a.scope, r, store.Read{MaxBytes: MaxAnswer})
	switch {
	case answer.Err != nil:
		return nil, answer.Err
	case answer.Next != "":
		return nil, protocol.Errorf(
			protocol.CodeListTooLarge,
			"the collection is longer than an answer of %d bytes: use query with where, fields and limit",
			MaxAnswer,
		)
	}
	body := []byte{'['}
	for i := range answer.Docs { // a page has one document at least, however long
		if i > 0 {
			body = append(body, ',')
		}
		body = answer.Docs[i].AppendBare(body)
	}
	if len(body) > 2*MaxAnswer {
		return nil, errLong(answer.Docs[0].ID, len(body))
	}
	return &sdk.CallToolResult{Content: text(indented(append(body, ']')))}, nil
}

func indented(body []byte) string {
	var out bytes.Buffer
	_ = json.Indent(&out, body, "", "  ") // valid JSON: cannot fail
	return out.String()
}
