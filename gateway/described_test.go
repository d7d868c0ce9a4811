package gateway_test

import (
	"context"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/docs/api"
	"github.com/secondgate/secondgate/docs/api/apitest"
)

// schemas are those of docs/api.
var schemas apitest.Schemas

// description is a document of docs/api, with what it refers to.
type description func() (*openapi3.T, error)

var (
	openAPI   = descriptionIn("openapi.json")
	agentsAPI = descriptionIn("openapi-agents.json")
)

// descriptionIn is one that is loaded once.
func descriptionIn(file string) description {
	return sync.OnceValues(func() (*openapi3.T, error) { return loadOpenAPI(file) })
}

func loadOpenAPI(file string) (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/schema+json", openapi3filter.JSONBodyDecoder)
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	loader.ReadFromURIFunc = func(
		_ *openapi3.Loader, at *url.URL,
	) ([]byte, error) {
		return api.Files.ReadFile(at.Path)
	}
	spec, err := loader.LoadFromFile(file)
	if err != nil {
		return nil, err
	}
	return spec, spec.Validate(context.Background())
}

// routeOf is the operation of a description that a request is; nil if its path is not there,
// without an operation if the path does not take the method.
func routeOf(t rule.T, in description, method string, path string) *routers.Route {
	t.Helper()
	spec, err := in()
	require.NoError(t, err)
	// Of two templates that match, the one without a parameter there is meant: it sorts before "{".
	for _, template := range slices.Sorted(maps.Keys(spec.Paths.Map())) {
		if !matches(template, path) {
			continue
		}
		item := spec.Paths.Value(template)
		return &routers.Route{
			Spec: spec, Path: template, PathItem: item, Method: method,
			Operation: item.GetOperation(method),
		}
	}
	return nil
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(
		want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") && g != "" },
	)
}

// describes holds an answer to openapi.json: the operation has its status, with these headers and
// this body. It returns the schema of the body, "" if that is none.
func describes(t rule.T, q *http.Request, a reply) (schema string) {
	t.Helper()
	return describesIn(t, openAPI, q, a)
}

// describesIn is describes by another description.
func describesIn(t rule.T, in description, q *http.Request, a reply) (schema string) {
	t.Helper()
	route := routeOf(t, in, q.Method, q.URL.EscapedPath())
	switch {
	case route == nil || route.Operation == nil:
		want := map[bool]int{true: 404, false: 405}[route == nil]
		if a.status == 403 { // who may not ask is not told which paths there are
			want = 403
		}
		require.Equal(t, want, a.status, "%s %s", q.Method, q.URL)
		schema = "schema/refusal.json#/$defs/" + strconv.Itoa(want)
	case q.Method == http.MethodHead:
		require.NotNil(t, route.Operation.Responses.Status(a.status), "HEAD %s: %d", q.URL, a.status)
		require.Empty(t, a.body)
		return ""
	default:
		schema = responds(t, q, a, route)
	}
	if schema != "" && q.Method != http.MethodHead {
		require.NoError(
			t,
			schemas.Check(t, schema, a.body),
			"%s %s: %d %.500s",
			q.Method,
			q.URL,
			a.status,
			a.body,
		)
	}
	return schema
}

func responds(t rule.T, q *http.Request, a reply, route *routers.Route) (schema string) {
	t.Helper()
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: q, Route: route},
		Status:                 a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	require.NoError(
		t, openapi3filter.ValidateResponse(q.Context(), input), "%s %s: %d %.500s", q.Method, q.URL, a.status,
		a.body,
	)
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	response := route.Operation.Responses.Status(a.status)
	if response == nil {
		response = route.Operation.Responses.Default()
	}
	if content := response.Value.Content[kind]; content != nil {
		return content.Schema.Ref
	}
	require.Empty(t, a.body)
	return ""
}
