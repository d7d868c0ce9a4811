package wire

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// exchange is one request over REST and what its answer must be. In path and body C is the rule's
// collection and R the revision of its document d1. A refusal has a code; a success has a body,
// with T for times.
type exchange struct {
	method, path, body string
	headers            []string
	status             int
	want               string
}

const docD1 = `{"doc":{"_id":"d1","a":{"b":1},"n":1,"_createdAt":"T","_updatedAt":"T"}}`

var exchanges = []exchange{
	{"GET", "/d1?collection=C", "", nil, 200, docD1},
	{"GET", "/%641?collection=C", "", nil, 200, docD1},
	{"GET", "/d1", "", nil, 400, "invalid_message"},
	{"GET", "/d1?collection=", "", nil, 400, "invalid_message"},
	{"GET", "/d1?collection=C-other", "", nil, 404, "not_found"},
	{"GET", "/d2?collection=C", "", nil, 404, "not_found"},
	{"GET", "/d1?collection=C&version=draft", "", nil, 404, "not_found"},
	{"GET", "/%2e%2e%2Fdata%2Fd1?collection=C", "", nil, 404, "not_found"},
	{"GET", "/%73tream?collection=C", "", nil, 404, "not_found"},
	{"GET", "/%00?collection=C", "", nil, 400, "invalid_id"},
	{"GET", "/%ff?collection=C", "", nil, 400, "invalid_id"},
	{"GET", "/?collection=C", "", nil, 404, "not_found"},
	{"GET", "/a/b?collection=C", "", nil, 404, "not_found"},
	{"GET", "?collection=%zz", "", nil, 400, "invalid_message"},
	{"GET", "?collection=C", "{}", nil, 400, "invalid_message"},
	{"GET", "?collection=C&limit=0", "", nil, 400, "invalid_message"},
	{"GET", "?collection=C&limit=x", "", nil, 400, "invalid_message"},
	{"GET", "?collection=C&after=x", "", nil, 400, "invalid_cursor"},
	{"POST", "", `{"collection":"C","docId":"d1","data":{}}`, nil, 409, "already_exists"},
	{"POST", "", `{"collection":"C","docId":1,"data":{}}`, nil, 400, "invalid_message"},
	{"POST", "", "", nil, 400, "invalid_json"},
	{"POST", "", `{"collection":`, nil, 400, "invalid_json"},
	{"POST", "", `{} {}`, nil, 400, "invalid_json"},
	{"POST", "", `[]`, nil, 400, "invalid_message"},
	{"POST", "", `{"data":{}}`, nil, 400, "invalid_message"},
	{"POST", "", `{"collection":"","data":{}}`, nil, 400, "invalid_message"},
	{"POST", "", `{"collection":1,"data":{}}`, nil, 400, "invalid_message"},
	{"POST", "", `{"collection":"C"}`, nil, 400, "invalid_message"},
	{"POST", "", `{"collection":"C","data":[]}`, nil, 400, "invalid_message"},
	{"POST", "", `{"collection":"C","data":null}`, nil, 400, "invalid_message"},
	{"POST", "", `{"collection":"C","data":{"a":1,"a":2}}`, nil, 422, "invalid_document"},
	{"POST", "", `{"collection":"C","data":{}}`, []string{`If-Match: *`}, 400, "invalid_message"},
	{"POST", "", `{"collection":"C","data":{}}`, []string{`Idempotency-Key: `}, 400, "invalid_message"},
	{
		"POST",
		"",
		`{"collection":"C","data":{}}`,
		[]string{`Idempotency-Key: ` + long(129)},
		400,
		"invalid_message",
	},
	{
		"POST",
		"",
		`{"collection":"C","data":{}}`,
		[]string{`Idempotency-Key: a`, `Idempotency-Key: b`},
		400,
		"invalid_message",
	},
	{
		"POST",
		"",
		`{"collection":"C","data":{}}`,
		[]string{"Origin: http://evil.example", "Content-Type: application/json"},
		403,
		"forbidden",
	},
	{"PATCH", "/d2", `{"collection":"C","data":{}}`, nil, 404, "not_found"},
	{"PATCH", "/d1", `{"collection":"C-other","data":{}}`, nil, 404, "not_found"},
	{"PATCH", "/d1?collection=C", `{"data":{}}`, nil, 400, "invalid_message"},
	{"PATCH", "/d1", `{"collection":"C","data":"x"}`, nil, 400, "invalid_message"},
	{"PATCH", "/d1", `x`, nil, 400, "invalid_json"},
	{"PATCH", "/d1", `{"collection":"C","data":{"n.x":2}}`, nil, 422, "invalid_document"},
	{"PATCH", "/d1?version=draft", `{"collection":"C","data":{}}`, nil, 404, "not_found"},
	{"PATCH", "/d1", `{"collection":"C","data":{}}`, []string{`If-Match: W/"R"`}, 412, "conflict"},
	{"PATCH", "/d1", `{"collection":"C","data":{}}`, []string{`If-Match: "x"`}, 412, "conflict"},
	{"PATCH", "/d1", `{"collection":"C","data":{}}`, []string{`If-Match: ""`}, 412, "conflict"},
	{"PATCH", "/d1", `{"collection":"C","data":{}}`, []string{`If-Match: R`}, 400, "invalid_message"},
	{"PATCH", "/d1", `{"collection":"C","data":{}}`, []string{`If-Match: "a", "b"`}, 400, "invalid_message"},
	{"GET", "/d1?collection=C", "", []string{`If-Match: "x"`}, 412, "conflict"},
	{"GET", "/d1?collection=C", "", []string{`If-Match: "R"`}, 200, docD1},
	{"DELETE", "/d1", "", nil, 400, "invalid_message"},
	{"DELETE", "/d2?collection=C", "", nil, 404, "not_found"},
	{"DELETE", "/d1?collection=C-other", "", nil, 404, "not_found"},
	{"DELETE", "/d1?collection=C", "", []string{`If-Match: "x"`}, 412, "conflict"},
	{"DELETE", "/d1?collection=C", "", []string{`If-Match: x`}, 400, "invalid_message"},
	{"DELETE", "?collection=C", "", nil, 405, "invalid_message"},
	{"POST", "/d1", `{"collection":"C","data":{}}`, nil, 405, "invalid_message"},
	{"PUT", "/d1", `{"collection":"C","data":{}}`, nil, 405, "invalid_message"},
	{"POST", "/stream", `{}`, nil, 405, "invalid_message"},
	{"GET", "/stream/?collection=C", "", nil, 404, "not_found"},
}

var restRules = []Rule{
	{
		ID: "rest/statuses",
		Says: "every request, right or wrong, has its path, status and shape, and a refused one " +
			"changes nothing",
		Check: func(r *trial) {
			c := r.named("notes")
			made := r.rest("POST", r.dataURL(""), `{"collection":"`+c+`","docId":"d1","data":{"n":1,"a":{"b":1}}}`)
			r.want("status of an insert", made.Status, 201)
			before := r.rest("GET", r.dataURL("", "collection", c), "").Body
			for _, e := range exchanges {
				r.exchange(e, c, strings.Trim(made.Header.Get("ETag"), `"`))
			}
			r.want(
				"the collection after all that was refused", r.rest("GET", r.dataURL("", "collection", c), "").Body,
				before,
			)
		},
	},
	{
		ID:   "rest/shapes",
		Says: "insert is 201 with the document, update 200 with it, delete 200 with ok, a list has docs",
		Check: func(r *trial) {
			c := r.named("notes")
			text := fmt.Sprintf(`{"collection":%q,"docId":"a","data":{"n":1}}`, c)
			r.shape(r.exchanged("POST", "", text), 201, `{"doc":{"_id":"a","n":1,"_createdAt":"T","_updatedAt":"T"}}`)
			r.shape(
				r.exchanged("PATCH", "a", text), 200, `{"doc":{"_id":"a","n":1,"_createdAt":"T","_updatedAt":"T"}}`,
			)
			r.shape(
				r.rest("GET", r.dataURL("", "collection", c), ""), 200,
				`{"docs":[{"_id":"a","n":1,"_createdAt":"T","_updatedAt":"T"}]}`,
			)
			r.shape(r.rest("DELETE", r.dataURL("a", "collection", c), ""), 200, `{"ok":true}`)
			r.shape(r.rest("GET", r.dataURL("", "collection", c), ""), 200, `{"docs":[]}`)
		},
	},
	{
		ID:   "rest/etag",
		Says: "a document's ETag is its revision, and _rev itself is told with rev=1 only",
		Check: func(r *trial) {
			c := r.named("notes")
			text := fmt.Sprintf(`{"collection":%q,"docId":"a","data":{}}`, c)
			for _, a := range []struct{ method, id, body string }{
				{"POST", "", text}, {"PATCH", "a", text}, {"GET", "a", ""},
			} {
				parameters := []string{"rev", "1"}
				if a.method == "GET" {
					parameters = append(parameters, "collection", c)
				}
				got := r.rest(a.method, r.dataURL(a.id, parameters...), a.body)
				r.must(got.Header.Get("ETag") != "", "ETag of %s: got none", a.method)
				r.want("ETag of "+a.method, got.Header.Get("ETag"), `"`+rev([]byte(docOf(got.Body)))+`"`)
			}
			plain := r.rest("GET", r.dataURL("a", "collection", c), "")
			r.must(
				!strings.Contains(plain.Body, "_rev") && plain.Header.Get("ETag") != "", "without rev=1: got %s",
				plain.Body,
			)
			r.must(
				!strings.Contains(r.rest("GET", r.dataURL("", "collection", c), "").Body, "_rev"),
				"a list has _rev without rev=1",
			)
			r.must(
				strings.Contains(r.rest("GET", r.dataURL("", "collection", c, "rev", "1"), "").Body, "_rev"),
				"a list with rev=1 has none",
			)
		},
	},
	{
		ID:   "rest/if-match-any",
		Says: "If-Match: * asks for nothing beyond what PATCH and DELETE need anyway",
		Check: func(r *trial) {
			c := r.named("notes")
			text := fmt.Sprintf(`{"collection":%q,"docId":"a","data":{}}`, c)
			r.rest("POST", r.dataURL(""), text)
			r.want("status of PATCH", r.rest("PATCH", r.dataURL("a"), text, "If-Match: *").Status, 200)
			r.want("status of PATCH of none", r.rest("PATCH", r.dataURL("b"), text, "If-Match: *").Status, 404)
			r.want(
				"status of DELETE", r.rest("DELETE", r.dataURL("a", "collection", c), "", "If-Match: *").Status, 200,
			)
		},
	},
	{
		ID:   "rest/idempotency-status",
		Says: "a retry under its Idempotency-Key gets the status and shape of the first time",
		Check: func(r *trial) {
			c := r.named("notes")
			key := "Idempotency-Key: k-" + r.mark
			text := fmt.Sprintf(`{"collection":%q,"docId":"a","data":{"n":1}}`, c)
			first, second := r.rest("POST", r.dataURL(""), text, key), r.rest("POST", r.dataURL(""), text, key)
			r.want("statuses", []int{first.Status, second.Status}, []int{201, 201})
			r.want("body of the retry", second.Body, first.Body)
			r.rest("DELETE", r.dataURL("a", "collection", c), "")
			gone := r.rest("POST", r.dataURL(""), text, key)
			r.want("status of a retry after a delete", gone.Status, 201)
			r.want("body of a retry after a delete", gone.Body, `{"doc":null}`)
			r.refusal(
				r.rest("POST", r.dataURL(""), strings.Replace(text, `"n":1`, `"n":2`, 1), key),
				protocol.CodeMutationMismatch,
			)
			r.exchanged("POST", "", strings.Replace(text, `"a"`, `"b"`, 1))
			once, again := r.rest(
				"PATCH", r.dataURL("b"), text, key+"-2",
			), r.rest(
				"PATCH", r.dataURL("b"), text, key+"-2",
			)
			r.want("status and body of a retried update", again.Status == once.Status && again.Body == once.Body, true)
			for range 2 {
				r.shape(r.rest("DELETE", r.dataURL("b", "collection", c), "", key+"-3"), 200, `{"ok":true}`)
			}
		},
	},
	{
		ID:   "rest/collections",
		Says: "without a collection all are told by name, each with its documents and their number",
		Check: func(r *trial) {
			names := []string{r.named("B"), r.named("a"), r.named("b")}
			if r.target.App == "" { // nobody else writes there
				r.shape(r.rest("GET", r.dataURL(""), ""), 200, `{"collections":[]}`)
			}
			for i, name := range names {
				r.rest("POST", r.dataURL(""), fmt.Sprintf(`{"collection":%q,"docId":"d","data":{"n":%d}}`, name, i))
			}
			for _, query := range [][]string{nil, {"collection", ""}} {
				body := r.rest("GET", r.dataURL("", query...), "").Body
				r.want("collections, of the rule's own", r.collectionsIn(body), names)
				for i, name := range names {
					shape := fmt.Sprintf(
						`{"name":%q,"docs":[{"_id":"d","n":%d,"_createdAt":"T","_updatedAt":"T"}],"count":1}`, name, i,
					)
					r.must(strings.Contains(timeless(body), shape), "collections: got %s want %s in it", show(body), shape)
				}
			}
		},
	},
	{
		ID:   "rest/head",
		Says: "HEAD is GET without the body",
		Check: func(r *trial) {
			c := r.named("notes")
			r.rest("POST", r.dataURL(""), fmt.Sprintf(`{"collection":%q,"docId":"a","data":{}}`, c))
			for _, address := range []string{r.dataURL("", "collection", c), r.dataURL("a", "collection", c)} {
				get, head := r.rest("GET", address, ""), r.rest("HEAD", address, "")
				r.want("status and body", fmt.Sprint(head.Status, head.Body), "200")
				for _, name := range []string{"Content-Length", "Content-Type", "ETag"} {
					r.want(name, head.Header.Get(name), get.Header.Get(name))
				}
			}
		},
	},
	{
		ID:   "rest/no-redirects",
		Says: "no path is answered with a redirect, however it is written",
		Check: func(r *trial) {
			base := strings.TrimSuffix(r.dataURL(""), "?version=published")
			for _, path := range []string{
				"", "/", "//", "/d1/", "/../data", "//d1", "/./d1", "/%2e%2e/d1", "/stream/", "/socket/",
			} {
				a := r.rest("GET", base+path+"?collection=x", "")
				r.must(a.Status < 300 || a.Status >= 400, "%s: got %d to %s", path, a.Status, a.Header.Get("Location"))
			}
		},
	},
	{
		ID:   "rest/draft",
		Says: "version=draft is a scope of its own, for lists too",
		Check: func(r *trial) {
			c := r.named("notes")
			draft := r.draft()
			r.rest("POST", restDoor{r, draft}.url(""), fmt.Sprintf(`{"collection":%q,"docId":"a","data":{}}`, c))
			r.want("published list", r.rest("GET", r.dataURL("", "collection", c), "").Body, `{"docs":[]}`)
			r.want(
				"collections of published, of the rule's own", r.collectionsIn(r.rest("GET", r.dataURL(""), "").Body),
				[]string(nil),
			)
			r.must(
				strings.Contains(r.rest("GET", restDoor{r, draft}.url("", "collection", c), "").Body, `"_id":"a"`),
				"the draft lacks its document",
			)
		},
	},
	{
		ID:   "rest/workspace-case",
		Says: "a workspace is compared in lower case",
		Check: func(r *trial) {
			c := r.named("notes")
			r.rest("POST", r.dataURL(""), fmt.Sprintf(`{"collection":%q,"docId":"a","data":{}}`, c))
			upper := strings.Replace(
				r.dataURL("a", "collection", c), "/workspaces/"+r.scope.Workspace,
				"/workspaces/"+strings.ToUpper(r.scope.Workspace), 1,
			)
			r.want("status", r.rest("GET", upper, "").Status, 200)
		},
	},
	{
		ID:   "rest/body-fields",
		Says: "a body is JSON whatever its Content-Type says, and unknown fields in it are ignored",
		Check: func(r *trial) {
			c := r.named("notes")
			text := fmt.Sprintf(`{"collection":%q,"data":{},"version":"draft","mutationId":5,"ifRev":{}}`, c)
			for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json"} {
				r.want("status with "+kind, r.rest("POST", r.dataURL(""), text, "Content-Type: "+kind).Status, 201)
			}
		},
	},
	{
		ID:   "rest/long-list",
		Says: "a list without limit is whole, however long",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			for i := range 30 { // 3 MB
				p.insert(c, fmt.Sprint("d", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 100_000)))
			}
			a := r.rest("GET", r.dataURL("", "collection", c), "")
			var answer struct{ Docs []json.RawMessage }
			r.must(json.Unmarshal([]byte(a.Body), &answer) == nil, "the list is no JSON")
			r.want("documents", len(answer.Docs), 30)
			page := r.rest("GET", r.dataURL("", "collection", c, "limit", "29"), "")
			r.want("documents of a long page", len(docsIn(r, page)), 29)
			r.want("collections", r.collectionsIn(r.rest("GET", r.dataURL(""), "").Body), []string{c})
		},
	},
}

// exchanged is a write to the rule's scope.
func (r *trial) exchanged(method, id, body string) (a reply) {
	return r.rest(method, r.dataURL(id), body)
}

// exchange makes one request of the table.
func (r *trial) exchange(e exchange, collection, rev string) {
	fill := strings.NewReplacer("C", url.QueryEscape(collection))
	path, query, _ := strings.Cut(e.path, "?")
	base, version, _ := strings.Cut(r.dataURL(""), "?")
	if query = fill.Replace(query); !strings.Contains(query, "version=") {
		query = strings.TrimSuffix(version+"&"+query, "&")
	}
	var headers []string
	for _, h := range e.headers {
		name, value, _ := strings.Cut(h, ": ")
		headers = append(headers, name+": "+strings.ReplaceAll(value, "R", rev))
	}
	a := r.rest(e.method, base+path+"?"+query, strings.ReplaceAll(e.body, `"C`, `"`+collection), headers...)
	what := fmt.Sprintf("%s %s %.100s %.60v", e.method, e.path, e.body, e.headers)
	r.want("status of "+what, a.Status, e.status)
	r.want("Cache-Control of "+what, a.Header.Get("Cache-Control"), "no-store")
	if e.status < 300 {
		r.want("body of "+what, timeless(a.Body), e.want)
		return
	}
	var body struct{ Error, Message string }
	r.must(json.Unmarshal([]byte(a.Body), &body) == nil, "%s: got %q want JSON", what, a.Body)
	r.want("error of "+what, body.Error, e.want)
	r.must(body.Message != "", "message of %s: got none", what)
	r.want("Allow of "+what+" is there", a.Header.Get("Allow") != "", e.status == 405)
}

// shape wants a status and a body, but for its times.
func (r *trial) shape(a reply, status int, want string) {
	r.want("status", a.Status, status)
	r.want("body", timeless(a.Body), want)
	r.want("Content-Type", a.Header.Get("Content-Type"), "application/json")
	r.want("Cache-Control", a.Header.Get("Cache-Control"), "no-store")
}

// collectionsIn are the rule's own collections that a body tells of, each with as many documents as
// it counts.
func (r *trial) collectionsIn(body string) (names []string) {
	var answer struct {
		Collections []struct {
			Name  string
			Count int
			Docs  []json.RawMessage
		}
	}
	r.must(json.Unmarshal([]byte(body), &answer) == nil, "collections: got %s want JSON", show(body))
	for _, c := range answer.Collections {
		if strings.HasSuffix(c.Name, r.mark) {
			r.want("count of "+c.Name, c.Count, len(c.Docs))
			names = append(names, c.Name)
		}
	}
	return names
}
