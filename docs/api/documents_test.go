package api_test

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/docs/api"
	"github.com/secondgate/secondgate/protocol"
)

// references are all values of "$ref" in a document.
func references(v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if ref, ok := member.(string); ok && name == "$ref" {
				all = append(all, ref)
			}
			all = append(all, references(member)...)
		}
	case []any:
		for _, element := range v {
			all = append(all, references(element)...)
		}
	}
	return all
}

// resolve finds what a reference in a file means.
func resolve(t *testing.T, file, ref string) any {
	t.Helper()
	target, pointer, _ := strings.Cut(ref, "#")
	if target != "" {
		file = path.Join(path.Dir(file), target)
	}
	at := read[any](t, file)
	for _, name := range strings.Split(pointer, "/")[1:] {
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		object, ok := at.(map[string]any)
		require.True(t, ok && object[name] != nil, "%s: %s leads nowhere", file, ref)
		at = object[name]
	}
	return at
}

// TestReferences: every $ref of every file leads somewhere.
func TestReferences(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"openapi.json", "openapi-agents.json", "asyncapi.json", "schema/agents.json", "schema/answer.json",
		"schema/document.json", "schema/error.json",
		"schema/event.json", "schema/message.json", "schema/refusal.json", "schema/request.json", "schema/rest.json",
	} {
		for _, ref := range references(read[any](t, file)) {
			if strings.Contains(ref, "#") {
				resolve(t, file, ref)
				continue
			}
			read[any](t, path.Join(path.Dir(file), ref))
		}
	}
}

type ref struct {
	Ref string `json:"$ref"`
}

// asyncDocument is what of asyncapi.json the tests look at; unknown members fail them.
type asyncDocument struct {
	AsyncAPI           string `json:"asyncapi"`
	Info               struct{ Title, Version, Description string }
	DefaultContentType string
	Channels           map[string]struct {
		Address, Description string
		Parameters           map[string]struct{ Description string }
		Messages             map[string]struct {
			Name, Title, ContentType string
			Payload                  ref
		}
		Bindings map[string]any
	}
	Operations map[string]struct {
		Action, Summary string
		Channel         ref
		Messages        []ref
		Reply           struct {
			Channel  ref
			Messages []ref
		}
	}
}

var requestTypes = []protocol.Type{
	protocol.TypeList, protocol.TypeQuery, protocol.TypeDoc, protocol.TypeInsert, protocol.TypeUpdate, protocol.TypeDelete,
	protocol.TypeUpsert, protocol.TypeBatch, protocol.TypeSubscribe, protocol.TypeUnsubscribe, protocol.TypePing,
	protocol.TypeAuthRefresh, protocol.TypeAgents, protocol.TypeAgentTrigger, protocol.TypeAgentFollow,
}

// lastPart is how the document calls a message: list for second:data:list, agents-list for
// second:agents:list.
func lastPart(name string) string {
	if agents, of := strings.CutPrefix(name, "second:agent"); of {
		return "agent" + strings.ReplaceAll(agents, ":", "-")
	}
	return name[strings.LastIndex(name, ":")+1:]
}

var ownTypes = []protocol.Type{
	protocol.TypeWelcome, protocol.TypeChange, protocol.TypeBookmark, protocol.TypeSettled, protocol.TypeReset,
	protocol.TypeGoAway, protocol.TypeError, protocol.TypeAgentUpdate,
}

// TestAsyncAPI: asyncapi.json has each message of the protocol and no other, each once in an
// operation, an answer to each request, and payloads that are the schemas of that very type.
func TestAsyncAPI(t *testing.T) {
	t.Parallel()
	text, err := api.Files.ReadFile("asyncapi.json")
	require.NoError(t, err)
	var d asyncDocument
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&d))
	require.Equal(t, "3.0.0", d.AsyncAPI)

	var names []protocol.Type
	for key, m := range d.Channels["socket"].Messages {
		names = append(names, protocol.Type(m.Name))
		require.Equal(t, key, lastPart(m.Name))
		require.Contains(t, constants(t, resolve(t, "asyncapi.json", m.Payload.Ref)), m.Name)
	}
	want := slices.Clone(ownTypes)
	for _, r := range requestTypes {
		want = append(want, r, r.Response())
		o := d.Operations[lastPart(string(r))]
		require.Equal(t, "receive", o.Action)
		require.Equal(
			t, []ref{{"#/channels/socket/messages/" + lastPart(string(r))}}, o.Messages,
		)
		require.Equal(
			t,
			[]ref{{"#/channels/socket/messages/" + lastPart(string(r.Response()))}},
			o.Reply.Messages,
		)
	}
	require.ElementsMatch(t, want, names)
	require.Len(t, d.Operations["notify"].Messages, len(ownTypes))
	require.Len(t, d.Operations, len(requestTypes)+2)
	require.Len(t, d.Channels["stream"].Messages, 5)
	require.Len(t, d.Operations["stream"].Messages, 5)
	for _, o := range d.Operations {
		for _, m := range append(o.Messages, o.Reply.Messages...) {
			require.True(t, strings.HasPrefix(m.Ref, o.Channel.Ref+"/messages/"), m.Ref)
		}
	}
}

// constants are the values of a message schema's type, of each of its forms.
func constants(t *testing.T, schema any) (all []string) {
	t.Helper()
	object := schema.(map[string]any)
	for _, form := range append([]any{object}, asList(object["oneOf"])...) {
		properties, _ := form.(map[string]any)["properties"].(map[string]any)
		if of, ok := properties["type"].(map[string]any); ok {
			all = append(all, of["const"].(string))
		}
	}
	require.NotEmpty(t, all)
	require.Len(t, slices.Compact(slices.Clone(all)), 1)
	return all
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}
