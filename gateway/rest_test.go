package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// rest is a REST client of one gateway.
type rest struct {
	t   rule.T
	url string
}

// dataPath is where the documents of the tests' scope are.
const dataPath = "/api/workspaces/w/apps/a/data"

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request, and holds the answer to openapi.json where that has the path; headers are
// "Name: value".
func (c rest) do(method, path, body string, headers ...string) reply {
	c.t.Helper()
	r, err := c.try(method, path, body, headers...)
	require.NoError(c.t, err)
	return r
}

func (c rest) try(method, path, body string, headers ...string) (reply, error) {
	c.t.Helper()
	q, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if body == "" {
		q.Body = nil
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Add(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{}, err
	}
	a := reply{answer.StatusCode, answer.Header, strings.TrimSuffix(string(text), "\n")}
	if routeOf(c.t, openAPI, method, q.URL.EscapedPath()) != nil { // elsewhere a web app may answer
		describes(c.t, q, a)
	}
	return a, nil
}

// list is a collection's documents by id.
func (c rest) list(collection string) map[string]string {
	c.t.Helper()
	return docsOf(c.t, c.do("GET", dataPath+"?collection="+collection, "").body)
}

func docsOf(t rule.T, body string) map[string]string {
	t.Helper()
	var answer struct{ Docs []json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
	docs := map[string]string{}
	for _, d := range answer.Docs {
		require.NotContains(t, docs, idOf(d), "a document came twice")
		docs[idOf(d)] = string(d)
	}
	return docs
}

var (
	times    = regexp.MustCompile(`"20\d\d-[^"]*Z"`)
	freshIDs = regexp.MustCompile(`"[0-9a-f]{24}"`)
)

// masked is a body without what differs from run to run.
func masked(body string) string {
	return freshIDs.ReplaceAllString(times.ReplaceAllString(body, `"T"`), `"ID"`)
}

// restCase is one request. Refused ones must leave the store as it is.
type restCase struct {
	name, method, path, body string
	headers                  []string
	status                   int
	want                     string // the body, or for a refusal its code
}

const docD1 = `{"doc":{"_id":"d1","a":{"b":1,"l":[1,2]},"n":1,"_createdAt":"T","_updatedAt":"T"}}`

var longID = strings.Repeat("x", 129)

// restCases run one by one, each on a store that holds d1, "a/b" and ".." in c.
var restCases = []restCase{
	{"list", "GET", "?collection=empty", "", nil, 200, `{"docs":[]}`},
	{"list, version unknown means published", "GET", "?collection=empty&version=x", "", nil, 200, `{"docs":[]}`},
	{"doc", "GET", "/d1?collection=c", "", nil, 200, docD1},
	{
		"doc, workspace in upper case", "GET", "^/api/workspaces/W/apps/a/data/d1?collection=c", "", nil, 200,
		docD1,
	},
	{"doc, id encoded needlessly", "GET", "/%641?collection=c", "", nil, 200, docD1},
	{"doc, without collection", "GET", "/d1", "", nil, 400, "invalid_message"},
	{"doc, empty collection", "GET", "/d1?collection=", "", nil, 400, "invalid_message"},
	{"doc, another collection's", "GET", "/d1?collection=other", "", nil, 404, "not_found"},
	{"doc, unknown", "GET", "/d2?collection=c", "", nil, 404, "not_found"},
	{"doc, draft scope", "GET", "/d1?collection=c&version=draft", "", nil, 404, "not_found"},
	{
		"doc, slash in the id", "GET", "/a%2Fb?collection=c", "", nil, 200,
		`{"doc":{"_id":"a/b","n":2,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"doc, dots as the id", "GET", "/%2e%2e?collection=c", "", nil, 200,
		`{"doc":{"_id":"..","n":3,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"doc, dots and slashes as the id", "GET", "/%2e%2e%2F%2e%2e%2Fb%2Fdata%2Fx?collection=c", "", nil, 404,
		"not_found",
	},
	{"doc, NUL in the id", "GET", "/%00?collection=c", "", nil, 400, "invalid_id"},
	{"doc, NUL in the collection", "GET", "/d1?collection=%00", "", nil, 400, "invalid_id"},
	{"doc, no UTF-8 in the id", "GET", "/%ff?collection=c", "", nil, 400, "invalid_id"},
	{"doc, percent in the id", "GET", "/%25?collection=c", "", nil, 404, "not_found"},
	{"doc, percent-encoded percent and more", "GET", "/%2541%2F?collection=c", "", nil, 404, "not_found"},
	{"doc, id longer than the grammar", "GET", "/" + longID + "?collection=c", "", nil, 404, "not_found"},
	{"doc, named as a route", "GET", "/%73tream?collection=c", "", nil, 404, "not_found"},
	{"slash at the end", "GET", "/?collection=c", "", nil, 404, "not_found"},
	{"slash in the path", "GET", "/a/b?collection=c", "", nil, 404, "not_found"},
	{"two slashes", "GET", "//d1?collection=c", "", nil, 404, "not_found"},
	{"real dots", "GET", "/../data/d1?collection=c", "", nil, 404, "not_found"},
	{"query malformed", "GET", "?collection=%zz", "", nil, 400, "invalid_message"},
	{
		"app ends like a draft", "GET", "^/api/workspaces/w/apps/a__draft/data?collection=c", "", nil, 400,
		"invalid_id",
	},
	{"app with a slash", "GET", "^/api/workspaces/w/apps/a%2Fb/data?collection=c", "", nil, 400, "invalid_id"},
	{"app of dots", "GET", "^/api/workspaces/w/apps/%2e%2e/data?collection=c", "", nil, 400, "invalid_id"},
	{"workspace of blanks", "GET", "^/api/workspaces/%20/apps/a/data?collection=c", "", nil, 400, "invalid_id"},
	{"GET with a body", "GET", "?collection=c", "{}", nil, 400, "invalid_message"},
	{"limit zero", "GET", "?collection=c&limit=0", "", nil, 400, "invalid_message"},
	{"limit no number", "GET", "?collection=c&limit=x", "", nil, 400, "invalid_message"},
	{"limit empty", "GET", "?collection=c&limit=", "", nil, 400, "invalid_message"},
	{"after malformed", "GET", "?collection=c&after=x", "", nil, 400, "invalid_cursor"},
	{"doc, If-Match stale", "GET", "/d1?collection=c", "", []string{`If-Match: "x"`}, 412, "conflict"},

	{
		"insert", "POST", "", `{"collection":"c","data":{"x":1}}`, nil, 201,
		`{"doc":{"_id":"ID","x":1,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert with an id", "POST", "", `{"collection":"c","docId":"d9","data":{}}`, nil, 201,
		`{"doc":{"_id":"d9","_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert of a copied row", "POST", "",
		`{"collection":"c","data":{"_id":"d1","_createdAt":1,"_updatedAt":2,"_rev":3,"x":1}}`, nil, 201,
		`{"doc":{"_id":"ID","x":1,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert, unknown fields", "POST", "",
		`{"collection":"c","data":{},"version":"draft","mutationId":5,"ifRev":{}}`, nil, 201,
		`{"doc":{"_id":"ID","_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert, a dot is a name", "POST", "", `{"collection":"c","data":{"a.b":1}}`, nil, 201,
		`{"doc":{"_id":"ID","a.b":1,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert as text", "POST", "", `{"collection":"c","data":{}}`, []string{"Content-Type: text/plain"}, 201,
		`{"doc":{"_id":"ID","_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert by a page", "POST", "", `{"collection":"c","data":{}}`,
		[]string{"Content-Type: application/json; charset=utf-8", "Origin: @"}, 201,
		`{"doc":{"_id":"ID","_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"insert as text by a page", "POST", "", `{"collection":"c","data":{}}`,
		[]string{"Content-Type: text/plain", "Origin: @"}, 400, "invalid_message",
	},
	{
		"insert untyped by a page", "POST", "", `{"collection":"c","data":{}}`, []string{"Origin: @"}, 400,
		"invalid_message",
	},
	{
		"insert by a strange page", "POST", "", `{"collection":"c","data":{}}`,
		[]string{"Content-Type: application/json", "Origin: http://evil.example"}, 403, "forbidden",
	},
	{
		"insert by a page of no origin", "POST", "", `{"collection":"c","data":{}}`,
		[]string{"Content-Type: application/json", "Origin: null"}, 403, "forbidden",
	},
	{"insert, id taken", "POST", "", `{"collection":"c","docId":"d1","data":{}}`, nil, 409, "already_exists"},
	{
		"insert, id of the server's form", "POST", "",
		`{"collection":"c","docId":"0123456789abcdef01234567","data":{}}`, nil, 400, "invalid_id",
	},
	{
		"insert, id outside the grammar", "POST", "", `{"collection":"c","docId":"a/b2","data":{}}`, nil, 400,
		"invalid_id",
	},
	{
		"insert, id too long", "POST", "", `{"collection":"c","docId":"` + longID + `","data":{}}`, nil, 400,
		"invalid_id",
	},
	{"insert, id no string", "POST", "", `{"collection":"c","docId":1,"data":{}}`, nil, 400, "invalid_message"},
	{
		"insert, another's _id", "POST", "", `{"collection":"c","docId":"d9","data":{"_id":"d8"}}`, nil, 422,
		"invalid_document",
	},
	{
		"insert, collection too long", "POST", "", `{"collection":"` + longID + `","data":{}}`, nil, 400,
		"invalid_id",
	},
	{
		"insert, collection with a control character", "POST", "", `{"collection":"a\n","data":{}}`, nil, 400,
		"invalid_id",
	},
	{"insert, no body", "POST", "", "", nil, 400, "invalid_json"},
	{"insert, no JSON", "POST", "", `{"collection":`, nil, 400, "invalid_json"},
	{"insert, two values", "POST", "", `{} {}`, nil, 400, "invalid_json"},
	{"insert, an array", "POST", "", `[]`, nil, 400, "invalid_message"},
	{"insert, null", "POST", "", `null`, nil, 400, "invalid_message"},
	{"insert, no collection", "POST", "", `{"data":{}}`, nil, 400, "invalid_message"},
	{"insert, collection no string", "POST", "", `{"collection":1,"data":{}}`, nil, 400, "invalid_message"},
	{"insert, collection null", "POST", "", `{"collection":null,"data":{}}`, nil, 400, "invalid_message"},
	{"insert, collection empty", "POST", "", `{"collection":"","data":{}}`, nil, 400, "invalid_message"},
	{"insert, no data", "POST", "", `{"collection":"c"}`, nil, 400, "invalid_message"},
	{"insert, data an array", "POST", "", `{"collection":"c","data":[]}`, nil, 400, "invalid_message"},
	{"insert, data null", "POST", "", `{"collection":"c","data":null}`, nil, 400, "invalid_message"},
	{
		"insert, a name twice", "POST", "", `{"collection":"c","data":{"a":1,"a":2}}`, nil, 422, "invalid_document",
	},
	{
		"insert, a lone surrogate", "POST", "", `{"collection":"c","data":{"a":"\ud800"}}`, nil, 422,
		"invalid_document",
	},
	{"insert, U+0000", "POST", "", `{"collection":"c","data":{"a":"\u0000"}}`, nil, 422, "invalid_document"},
	{
		"insert, no UTF-8", "POST", "", "{\"collection\":\"c\",\"data\":{\"a\":\"\xff\"}}", nil, 422,
		"invalid_document",
	},
	{
		"insert, a number out of range", "POST", "", `{"collection":"c","data":{"a":1e999}}`, nil, 422,
		"invalid_document",
	},
	{
		"insert, an integer that is rounded", "POST", "", `{"collection":"c","data":{"a":9007199254740993}}`, nil,
		422, "invalid_document",
	},
	{
		"insert, too deep", "POST", "",
		`{"collection":"c","data":{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}}`, nil, 422,
		"invalid_document",
	},
	{
		"insert, document too large", "POST", "",
		`{"collection":"c","data":{"a":"` + strings.Repeat("x", 3000) + `"}}`, nil, 413, "too_large",
	},
	{
		"insert, body too large", "POST", "",
		`{"collection":"c","data":{},"z":"` + strings.Repeat("x", 9000) + `"}`, nil, 413, "too_large",
	},
	{
		"insert with If-Match", "POST", "", `{"collection":"c","data":{}}`, []string{`If-Match: *`}, 400,
		"invalid_message",
	},
	{
		"insert, key empty", "POST", "", `{"collection":"c","data":{}}`, []string{`Idempotency-Key: `}, 400,
		"invalid_message",
	},
	{
		"insert, key too long", "POST", "", `{"collection":"c","data":{}}`, []string{`Idempotency-Key: ` + longID},
		400, "invalid_message",
	},
	{
		"insert, two keys", "POST", "", `{"collection":"c","data":{}}`,
		[]string{`Idempotency-Key: a`, `Idempotency-Key: b`}, 400, "invalid_message",
	},

	{
		"patch", "PATCH", "/d1", `{"collection":"c","data":{"n":2}}`, nil, 200,
		`{"doc":{"_id":"d1","a":{"b":1,"l":[1,2]},"n":2,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{"patch, nothing", "PATCH", "/d1", `{"collection":"c","data":{}}`, nil, 200, docD1},
	{
		"patch, null is kept", "PATCH", "/d1", `{"collection":"c","data":{"n":null}}`, nil, 200,
		`{"doc":{"_id":"d1","a":{"b":1,"l":[1,2]},"n":null,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"patch, a path", "PATCH", "/d1", `{"collection":"c","data":{"a.b":2,"a.l.1":3,"p.q":4}}`, nil, 200,
		`{"doc":{"_id":"d1","a":{"b":2,"l":[1,3]},"n":1,"p":{"q":4},"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"patch, a scalar in the path", "PATCH", "/d1", `{"collection":"c","data":{"n.x":2}}`, nil, 422,
		"invalid_document",
	},
	{
		"patch, docId in the body is ignored", "PATCH", "/d1", `{"collection":"c","docId":"a/b","data":{}}`, nil,
		200, docD1,
	},
	{
		"patch, slash in the id", "PATCH", "/a%2Fb", `{"collection":"c","data":{"n":4}}`, nil, 200,
		`{"doc":{"_id":"a/b","n":4,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"patch, dots as the id", "PATCH", "/%2E%2e", `{"collection":"c","data":{"n":4}}`, nil, 200,
		`{"doc":{"_id":"..","n":4,"_createdAt":"T","_updatedAt":"T"}}`,
	},
	{
		"patch, another's _id", "PATCH", "/d1", `{"collection":"c","data":{"_id":"d2"}}`, nil, 422,
		"invalid_document",
	},
	{"patch, unknown", "PATCH", "/d2", `{"collection":"c","data":{}}`, nil, 404, "not_found"},
	{"patch, another collection's", "PATCH", "/d1", `{"collection":"other","data":{}}`, nil, 404, "not_found"},
	{"patch, no collection", "PATCH", "/d1?collection=c", `{"data":{}}`, nil, 400, "invalid_message"},
	{"patch, data a string", "PATCH", "/d1", `{"collection":"c","data":"x"}`, nil, 400, "invalid_message"},
	{"patch, no JSON", "PATCH", "/d1", `x`, nil, 400, "invalid_json"},
	{"patch, any revision", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: *`}, 200, docD1},
	{
		"patch, any revision of none", "PATCH", "/d2", `{"collection":"c","data":{}}`, []string{`If-Match: *`}, 404,
		"not_found",
	},
	{
		"patch, the revision", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: "@rev"`}, 200,
		docD1,
	},
	{
		"patch, the revision, weak", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: W/"@rev"`},
		412, "conflict",
	},
	{
		"patch, another revision", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: "x"`}, 412,
		"conflict",
	},
	{
		"patch, the empty revision", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: ""`}, 412,
		"conflict",
	},
	{
		"patch, revision unquoted", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: @rev`}, 400,
		"invalid_message",
	},
	{
		"patch, two revisions", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: "a", "b"`}, 400,
		"invalid_message",
	},
	{
		"patch, If-Match empty", "PATCH", "/d1", `{"collection":"c","data":{}}`, []string{`If-Match: `}, 400,
		"invalid_message",
	},

	{"delete", "DELETE", "/d1?collection=c", "", nil, 200, `{"ok":true}`},
	{"delete, slash in the id", "DELETE", "/a%2fb?collection=c", "", nil, 200, `{"ok":true}`},
	{"delete, dots as the id", "DELETE", "/%2e%2e?collection=c", "", nil, 200, `{"ok":true}`},
	{"delete, without collection", "DELETE", "/d1", "", nil, 400, "invalid_message"},
	{"delete, unknown", "DELETE", "/d2?collection=c", "", nil, 404, "not_found"},
	{"delete, another collection's", "DELETE", "/d1?collection=other", "", nil, 404, "not_found"},
	{"delete, the revision", "DELETE", "/d1?collection=c", "", []string{`If-Match: "@rev"`}, 200, `{"ok":true}`},
	{"delete, another revision", "DELETE", "/d1?collection=c", "", []string{`If-Match: "x"`}, 412, "conflict"},
	{
		"delete, If-Match malformed", "DELETE", "/d1?collection=c", "", []string{`If-Match: x`}, 400,
		"invalid_message",
	},

	{"wrong method on the list", "DELETE", "?collection=c", "", nil, 405, "invalid_message"},
	{"wrong method on a document", "POST", "/d1", `{"collection":"c","data":{}}`, nil, 405, "invalid_message"},
	{"PUT", "PUT", "/d1", `{"collection":"c","data":{}}`, nil, 405, "invalid_message"},
	{"a method of nobody's", "FROB", "/d1", "", nil, 405, "invalid_message"},
	{
		"a draft's document is another", "PATCH", "/d1?version=draft", `{"collection":"c","data":{}}`, nil, 404,
		"not_found",
	},
}

// harnesses are all databases. In the short form SQLite is left out: with the race detector it is 16 times
// slower, and its own package looks for races in it.
func harnesses() map[string]conformance.Harness {
	all := map[string]conformance.Harness{
		"sqlite":   &sqlitetest.Harness{},
		"model":    &modeltest.Harness{Options: model.Options{Seed: 11, PreImage: -1, Break: -1}},
		"postgres": &postgrestest.Harness{},
		"mongodb":  &mongodbtest.Harness{},
	}
	if testing.Short() {
		delete(all, "sqlite")
	}
	return all
}

func small(c *gateway.Config) {
	c.Limits.DocumentBytes, c.Limits.FrameBytes = 2000, 8000
}

func TestREST(t *testing.T) {
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			for _, c := range casesOf(h) {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, h)
				})
			}
		})
	}
}

func (c restCase) run(t *testing.T, h conformance.Harness) {
	b := h.Open(t)
	client := rest{t, serve(t, b, small)}
	outside := h.Outside(t, b)
	for i, id := range []string{"a/b", ".."} {
		outside.Do(t, true, stepInsert(refTo(id), fmt.Sprintf(`{"n":%d}`, i+2)))
	}
	first := client.do("POST", dataPath, `{"collection":"c","docId":"d1","data":{"n":1,"a":{"b":1,"l":[1,2]}}}`)
	require.Equal(t, 201, first.status, first.body)
	rev := strings.Trim(first.header.Get("ETag"), `"`)
	before := client.list("c")

	var headers []string
	for _, header := range c.headers {
		header = strings.ReplaceAll(header, "@rev", rev)
		headers = append(headers, strings.Replace(header, ": @", ": "+client.url, 1))
	}
	path, absolute := strings.CutPrefix(c.path, "^")
	if !absolute {
		path = dataPath + c.path
	}
	got := client.do(c.method, path, c.body, headers...)

	require.Equal(t, c.status, got.status, got.body)
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	if c.status < 300 {
		require.Equal(t, c.want, masked(got.body))
		return
	}
	var refusal map[string]string
	require.NoError(t, json.Unmarshal([]byte(got.body), &refusal), got.body)
	require.Equal(t, c.want, refusal["error"])
	require.NotEmpty(t, refusal["message"])
	require.True(t, maps.Equal(before, client.list("c")), "the store has changed")
	require.Equal(t, c.status == 405, got.header.Get("Allow") != "")
}

// A client that goes away, or never ends its body, leaves nothing behind; TestMain looks for leaks.
func TestRESTChunked(t *testing.T) {
	client := rest{t, serve(t, (&sqlitetest.Harness{}).Open(t), small)}
	q, err := http.NewRequestWithContext(
		t.Context(), "POST", client.url+dataPath,
		struct{ io.Reader }{bytes.NewReader([]byte(`{"collection":"c","data":{}}`))},
	)
	require.NoError(t, err)
	answer, err := http.DefaultTransport.RoundTrip(q)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 201, answer.StatusCode)
}

func refTo(id string) protocol.Ref { return protocol.Ref{Scope: here, Collection: "c", ID: id} }
