package mcp

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// sampleDocs and sampleBytes bound what is read of a collection to infer its fields.
	sampleDocs, sampleBytes = 50, 256 << 10
	// shownDocs and shownBytes bound the documents that are shown.
	shownDocs, shownBytes = 2, 4 << 10
	// mostDescribed bounds the collections that are described with their fields.
	mostDescribed = 20
)

// description is what describe_data answers.
type description struct {
	Workspace   string                  `json:"workspace"`
	App         string                  `json:"app"`
	Version     string                  `json:"version"`
	Agent       string                  `json:"agent"`
	Cursor      string                  `json:"cursor"` // for changes_since
	Collections []collectionDescription `json:"collections"`
}

type collectionDescription struct {
	Name string `json:"name"`
	// Rights are what the agent may do there. Only one that may read is told the rest.
	Rights []access.Operation `json:"rights"`
	Count  *int               `json:"count,omitempty"`
	// Fields have the types that a sample of documents has, and in how many of the sample.
	Fields  []fieldDescription `json:"fields,omitempty"`
	Sampled int                `json:"sampled,omitempty"`
	Samples []json.RawMessage  `json:"samples,omitempty"`
}

type fieldDescription struct {
	Name  string   `json:"name"`
	Types []string `json:"types"`
	In    int      `json:"in"`
}

func describeData(ctx context.Context, a *agent, arguments json.RawMessage) (*sdk.CallToolResult, error) {
	var in struct {
		Collection string `json:"collection"`
	}
	if err := decode(arguments, &in, "collection"); err != nil {
		return nil, err
	}
	grant, refused := a.principal.Agent.Grant(ctx, a.scope)
	if refused != nil {
		return nil, refused
	}
	names := grant.Collections
	if in.Collection != "" {
		names = []string{in.Collection}
		if refused := grant.Allows(access.Use{Collection: in.Collection}); refused != nil {
			return nil, refused
		}
	}
	counts, refused := a.door.Env.Store.Collections(ctx, a.principal, a.scope, store.Read{})
	if refused != nil {
		return nil, refused
	}
	now, refused := a.door.Env.Store.ChangesSince(ctx, a.principal, a.scope, "", "", 0)
	if refused != nil {
		return nil, refused
	}
	out := description{
		Workspace: a.scope.Workspace, App: a.scope.App, Version: a.scope.Version(), Agent: a.principal.Actor.ID,
		Cursor: now.Cursor,
	}
	for i, name := range names {
		c := collectionDescription{Name: name, Rights: grant.Operations(name)}
		reads := slices.Contains(c.Rights, access.OpRead)
		if reads {
			count := counts[name]
			c.Count = &count
		}
		if reads && i < mostDescribed {
			if err := a.sample(ctx, &c); err != nil {
				return nil, err
			}
		}
		out.Collections = append(out.Collections, c)
	}
	return structured(out)
}

// sample describes a collection by its newest documents.
func (a *agent) sample(ctx context.Context, c *collectionDescription) error {
	r := &protocol.Request{Type: protocol.TypeList, Collection: c.Name, Limit: sampleDocs}
	answer, _ := a.door.Env.Store.List(ctx, a.principal, a.scope, r, store.Read{MaxBytes: sampleBytes})
	if answer.Err != nil {
		return answer.Err
	}
	fields := map[string]*fieldDescription{}
	for i := range answer.Docs {
		var data map[string]any
		if err := json.Unmarshal(answer.Docs[i].Data, &data); err != nil {
			return err
		}
		for name, value := range data {
			f := fields[name]
			if f == nil {
				f = &fieldDescription{Name: name}
				fields[name] = f
			}
			f.In++
			if kind := typeOf(value); !slices.Contains(f.Types, kind) {
				f.Types = append(f.Types, kind)
				slices.Sort(f.Types)
			}
		}
		if doc := answer.Docs[i].Append(nil); len(c.Samples) < shownDocs && len(doc) <= shownBytes {
			c.Samples = append(c.Samples, doc)
		}
	}
	c.Sampled = len(answer.Docs)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		c.Fields = append(c.Fields, *fields[name])
	}
	return nil
}

func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}
