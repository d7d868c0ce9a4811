// Package apitest holds JSON to the schemas of docs/api, for tests.
package apitest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/docs/api"
)

const base = "file:///"

// Schemas are those of docs/api, read when they are first used.
type Schemas struct {
	mu       sync.Mutex
	resolved map[string]*jsonschema.Resolved
}

// Check holds text to a schema, such as schema/answer.json#/$defs/list. The error says what is
// wrong with text; a schema that there is not, or that cannot be read, fails the test.
func (s *Schemas) Check(t rule.T, ref, text string) error {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	return s.schema(t, ref).Validate(value)
}

func (s *Schemas) schema(t rule.T, ref string) *jsonschema.Resolved {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.resolved[ref]; r != nil {
		return r
	}
	r, err := (&jsonschema.Schema{Ref: ref}).Resolve(&jsonschema.ResolveOptions{BaseURI: base, Loader: load})
	require.NoError(t, err, ref)
	if s.resolved == nil {
		s.resolved = map[string]*jsonschema.Resolved{}
	}
	s.resolved[ref] = r
	return r
}

func load(uri *url.URL) (*jsonschema.Schema, error) {
	text, err := api.Files.ReadFile(strings.TrimPrefix(uri.Path, "/"))
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", uri, err)
	}
	var schema jsonschema.Schema
	return &schema, json.Unmarshal(text, &schema)
}
