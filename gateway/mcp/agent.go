package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// MaxAnswer bounds the text of an answer, in bytes: what an agent can read without losing its thread.
const MaxAnswer = 96 << 10

// agent is the agent of one request.
type agent struct {
	door      *Door
	principal access.Principal
	scope     protocol.Scope
	server    *sdk.Server
	exchange  *exchange
	asks      *sdk.CallToolRequest // of a call of a tool
}

// instructions are what an agent is told first.
const instructions = "Data of one app, live. Begin with describe_data: it lists the collections that you may use, their " +
	"fields and counts. Find with query, change with write (dryRun shows what would happen), delete many with " +
	"delete_where, take back with undo. Everybody who watches sees each change at once."

func (a *agent) newServer(ctx context.Context) *sdk.Server {
	s := sdk.NewServer(
		&sdk.Implementation{Name: "secondgate", Title: "secondgate", Version: a.door.Version},
		&sdk.ServerOptions{
			Instructions: instructions, SchemaCache: a.door.schemas, Logger: a.door.Env.Log,
			Capabilities:     &sdk.ServerCapabilities{},
			SubscribeHandler: a.subscribe, UnsubscribeHandler: a.unsubscribe,
		})
	names := a.collections(ctx)
	for _, t := range tools {
		s.AddTool(t.described(names), a.handler(t))
	}
	a.addResources(s, slices.DeleteFunc(names, func(name string) bool { return !a.reads(ctx, name) }))
	return s
}

// reads reports whether the agent may read a collection now.
func (a *agent) reads(ctx context.Context, collection string) bool {
	grant, refused := a.principal.Agent.Grant(ctx, a.scope)
	return refused == nil && grant.Allows(access.Use{Collection: collection, Operation: access.OpRead}) == nil
}

// collections are those that the agent may use now.
func (a *agent) collections(ctx context.Context) []string {
	grant, refused := a.principal.Agent.Grant(ctx, a.scope)
	if refused != nil {
		return nil
	}
	return grant.Collections
}

// tool is one of the tools.
type tool struct {
	name, title, says string
	// lists: the description ends with the collections that the agent may use.
	lists         bool
	input, output string // JSON schemas
	readOnly      bool
	destructive   bool
	idempotent    bool
	slow          bool // it may write many documents
	waits         bool
	serve         func(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error)
}

func (t *tool) described(collections []string) *sdk.Tool {
	says := t.says
	if t.lists {
		says += " Allowed collections: " + strings.Join(collections, ", ")
	}
	closed := false
	made := &sdk.Tool{
		Name: t.name, Title: t.title, Description: says, InputSchema: json.RawMessage(t.input),
		Annotations: &sdk.ToolAnnotations{
			Title: t.title, ReadOnlyHint: t.readOnly, IdempotentHint: t.idempotent, OpenWorldHint: &closed,
			DestructiveHint: &t.destructive,
		},
	}
	if t.output != "" {
		made.OutputSchema = json.RawMessage(t.output)
	}
	return made
}

// handler serves a tool. A refusal is an answer that the agent can act on.
func (a *agent) handler(t tool) sdk.ToolHandler {
	return func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		call := *a
		call.asks = r
		call.principal.ChangeSet = protocol.NewID(time.Now())
		arguments := r.Params.Arguments
		if len(arguments) == 0 {
			arguments = json.RawMessage("{}")
		}
		ctx, cancel := a.exchange.during(ctx, &t)
		defer cancel()
		result, err := t.serve(ctx, &call, arguments)
		var refused *protocol.Error
		switch {
		case err == nil:
			return result, nil
		case errors.As(err, &refused):
			a.door.Env.Metrics.Failed(refused)
			return failed(refused), nil
		}
		a.door.Env.Log.Error("a tool failed", "tool", t.name, "error", err)
		return failed(protocol.Errorf(protocol.CodeInternal, "the gateway failed; its log says how")), nil
	}
}

// failed is a refusal as an agent reads it.
func failed(e *protocol.Error) *sdk.CallToolResult {
	retry := ""
	if e.Code.Info().Retryable {
		retry = " (try again)"
	}
	return &sdk.CallToolResult{
		IsError: true,
		Content: text(fmt.Sprintf("%s: %s%s", e.Code, e.Message, retry)),
	}
}

func text(t string) []sdk.Content { return []sdk.Content{&sdk.TextContent{Text: t}} }

// structured answers with a value, as text too: clients of the older era read nothing else.
func structured(v any) (*sdk.CallToolResult, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &sdk.CallToolResult{StructuredContent: json.RawMessage(body), Content: text(string(body))}, nil
}

// decode reads a tool's arguments. What it does not know is refused: a misspelt parameter must not
// change what a call means.
func decode(arguments json.RawMessage, into any, takes string) error {
	d := json.NewDecoder(bytes.NewReader(arguments))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return protocol.Errorf(
			protocol.CodeInvalidMessage,
			"the arguments cannot be used: %s; the tool takes %s",
			strings.TrimPrefix(err.Error(), "json: "),
			takes,
		)
	}
	return nil
}

// request reads a frame that is put together from arguments, by the rules for every client.
func (a *agent) request(
	ctx context.Context,
	t protocol.Type,
	fields map[string]any,
) (*protocol.Request, error) {
	fields["type"], fields["requestId"] = t, "mcp"
	frame, err := json.Marshal(fields)
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeInvalidJSON, "the arguments are no JSON that can be kept")
	}
	var r protocol.Request
	refused := a.door.Env.Parse(ctx, frame, func(frame []byte) {
		r, err = protocol.DecodeRequest(frame, a.door.Env.Limits)
	})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, err
	}
	return &r, checkFilters(&r)
}

// checkFilters refuses an upsert that would match any document of the collection.
func checkFilters(r *protocol.Request) error {
	for _, one := range append([]protocol.Request{*r}, r.Operations...) {
		if one.Filter != nil && len(one.Filter) == len("{}") {
			return protocol.Errorf(protocol.CodeInvalidFilter,
				"filter is empty: name the fields that identify the document")
		}
	}
	return nil
}

// refusal turns a nil *protocol.Error into a nil error.
func refusal(e *protocol.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// appendDocs are documents as JSON with times and _rev, as far as they fit.
func appendDocs(docs []protocol.Document, most int) (all []json.RawMessage, fits int) {
	size := 0
	all = []json.RawMessage{}
	for i := range docs {
		doc := docs[i].Append(nil)
		if size += len(doc) + 1; size > most && i > 0 {
			return all, i
		}
		all = append(all, doc)
	}
	return all, len(docs)
}
