package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// failing is a backend of which every call fails in one way.
type failing struct {
	backends.Backend
	err error
}

func (f failing) Get(
	context.Context, protocol.Ref, backends.Cursor,
) (*protocol.Document, backends.Cursor, error) {
	return nil, nil, f.err
}
func (f failing) List(context.Context, protocol.Scope, backends.Query) (backends.Page, error) {
	return backends.Page{}, f.err
}
func (f failing) Collections(context.Context, protocol.Scope, backends.Cursor) (map[string]int, error) {
	return nil, f.err
}
func (f failing) FindLast(context.Context, string, string, string, int) ([]backends.Entry, error) {
	return nil, f.err
}
func (f failing) Put(context.Context, backends.Entry, bool) error         { return f.err }
func (f failing) Cursor(context.Context, []byte) (backends.Cursor, error) { return nil, f.err }
func (f failing) Write(_ context.Context, txs []backends.Tx) []backends.Outcome {
	out := make([]backends.Outcome, len(txs))
	for i := range out {
		out[i].Err = f.err
	}
	return out
}

// asked is one request.
type asked struct {
	method, path, body string
	headers            []string
}

const stranger = "Origin: http://evil.example"

// workingExchanges are had in this order with a gateway that works; failingExchanges with one whose
// database fails.
var workingExchanges = []asked{
	{"POST", dataPath, `{"collection":"c","docId":"d","data":{"n":1}}`, []string{"Idempotency-Key: k"}},
	{"POST", dataPath + "?rev=1", `{"collection":"c","docId":"e","data":{"n":1}}`, nil},
	{"POST", dataPath, `{"collection":"c","docId":"d","data":{}}`, nil},
	{"POST", dataPath, `{"collection":"c","data":{"n":2}}`, []string{"Idempotency-Key: k"}},
	{"POST", dataPath, `{`, nil},
	{"POST", dataPath, strings.Repeat(" ", 9000), nil},
	{"POST", dataPath, `{}`, []string{stranger}},
	{"GET", dataPath + "?collection=c&rev=1", "", nil},
	{"GET", dataPath + "?collection=c&limit=1", "", nil},
	{"GET", dataPath, "", nil},
	{"GET", dataPath + "?collection=c&limit=0", "", nil},
	{"GET", dataPath, "", []string{stranger}},
	{"HEAD", dataPath + "?collection=c", "", nil},
	{"HEAD", dataPath + "?collection=c&limit=0", "", nil},
	{"HEAD", dataPath, "", []string{stranger}},
	{"GET", dataPath + "/d?collection=c", "", nil},
	{"GET", dataPath + "/d", "", nil},
	{"GET", dataPath + "/none?collection=c", "", nil},
	{"GET", dataPath + "/d?collection=c", "", []string{`If-Match: "x"`}},
	{"GET", dataPath + "/d?collection=c", "", []string{stranger}},
	{"HEAD", dataPath + "/d?collection=c", "", nil},
	{"HEAD", dataPath + "/d", "", nil},
	{"HEAD", dataPath + "/none?collection=c", "", nil},
	{"HEAD", dataPath + "/d?collection=c", "", []string{`If-Match: "x"`}},
	{"HEAD", dataPath + "/d?collection=c", "", []string{stranger}},
	{"PATCH", dataPath + "/d", `{"collection":"c","data":{"n":2}}`, nil},
	{"PATCH", dataPath + "/d", `{"collection":"c"}`, nil},
	{"PATCH", dataPath + "/none", `{"collection":"c","data":{}}`, nil},
	{"PATCH", dataPath + "/d", `{"collection":"c","data":{}}`, []string{`If-Match: "x"`}},
	{"PATCH", dataPath + "/d", strings.Repeat(" ", 9000), nil},
	{"PATCH", dataPath + "/d", `{"collection":"c","data":{"_id":"x"}}`, nil},
	{"PATCH", dataPath + "/d", `{}`, []string{stranger}},
	{"PUT", dataPath + "/d", `{}`, nil},
	{"DELETE", dataPath + "/d", "", nil},
	{"DELETE", dataPath + "/none?collection=c", "", nil},
	{"DELETE", dataPath + "/d?collection=c", "", []string{`If-Match: "x"`}},
	{"DELETE", dataPath + "/d?collection=c", "", []string{stranger}},
	{"DELETE", dataPath + "/d?collection=c", "", []string{"Idempotency-Key: k"}},
	{"DELETE", dataPath + "/d?collection=c", "", nil},
	{
		"POST", dataPath, `{"collection":"c","docId":"d","data":{"n":1}}`, []string{"Idempotency-Key: k"},
	}, // null by now
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:upsert","requestId":"q","collection":"w","docId":"u","data":{"n":1}}`, nil,
	},
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:batch","requestId":"q","operations":[` +
			`{"operation":"insert","collection":"w","docId":"a","data":{}},` +
			`{"operation":"update","collection":"w","docId":"u","data":{"n.o":2}},` +
			`{"operation":"delete","collection":"w","docId":"a"}]}`,
		nil,
	},
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:insert","requestId":"q","collection":"w","docId":"u","data":{}}`, nil,
	},
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:update","requestId":"q","collection":"w","docId":"u","data":{},"ifRev":"x"}`, nil,
	},
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:update","requestId":"q","collection":"w","docId":"none","data":{}}`, nil,
	},
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:update","requestId":"q","collection":"w","docId":"u","data":{"_id":"x"}}`, nil,
	},
	{"POST", dataPath + "/write", `{"type":"second:data:list","requestId":"q","collection":"w"}`, nil},
	{"POST", dataPath + "/write", strings.Repeat(" ", 9000), nil},
	{"POST", dataPath + "/write", `{}`, []string{stranger}},
	{"OPTIONS", dataPath + "/write", "", nil},
	{"OPTIONS", dataPath + "/write", "", []string{stranger}},
	{"OPTIONS", dataPath, "", nil},
	{"OPTIONS", dataPath, "", []string{stranger}},
	{"OPTIONS", dataPath + "/d", "", nil},
	{"OPTIONS", dataPath + "/d", "", []string{stranger}},
	{"OPTIONS", dataPath + "/stream", "", nil},
	{"OPTIONS", dataPath + "/stream", "", []string{stranger}},
	{"POST", dataPath + "/ticket", "", nil},
	{"POST", dataPath + "/ticket?version=%zz", "", nil},
	{"POST", dataPath + "/ticket", "", []string{stranger}},
	{"OPTIONS", dataPath + "/ticket", "", nil},
	{"OPTIONS", dataPath + "/ticket", "", []string{stranger}},
	{"GET", dataPath + "/stream?ticket=x", "", nil},
	{"GET", dataPath + "/socket?ticket=x", "", nil},
	{"GET", dataPath + "/stream", "{}", nil},
	{"GET", dataPath + "/stream", "", []string{stranger}},
	{"GET", dataPath + "/stream", "", nil},
	{"GET", dataPath + "/socket", "", nil},
	{"GET", dataPath + "/socket?changes=x", "", nil},
	{"GET", dataPath + "/socket", "", []string{stranger}},
	{
		"GET",
		dataPath + "/socket",
		"",
		[]string{
			"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
		},
	},
	{"GET", auditPath, "", nil},
	{"GET", auditPath + "?limit=2&q=INSERT&category=app_data", "", nil},
	{"GET", auditPath + "?limit=0", "", nil},
	{"GET", auditPath, "", []string{stranger}},
	{"HEAD", auditPath, "", nil},
	{"HEAD", auditPath + "?before=x", "", nil},
	{"HEAD", auditPath, "", []string{stranger}},
	{"POST", auditPath, "{}", nil},
	{"OPTIONS", auditPath, "", nil},
	{"OPTIONS", auditPath, "", []string{stranger}},
	{"GET", "/.well-known/secondgate/openapi.json", "", nil},
	{"GET", "/.well-known/secondgate/none.json", "", nil},
	{"GET", "/.well-known/secondgate/openapi.json", "", []string{stranger}},
	{"GET", "/.well-known/secondgate/schema/message.json", "", nil},
	{"GET", "/.well-known/secondgate/schema/none.json", "", nil},
	{"GET", "/.well-known/secondgate/schema/message.json", "", []string{stranger}},
	{"GET", "/.well-known/secondgate/schema", "", nil},
	{"GET", "/.well-known/secondgate/../../api.go", "", nil},
}

var failingExchanges = []asked{
	{"GET", dataPath + "?collection=c", "", nil},
	{"HEAD", dataPath + "?collection=c", "", nil},
	{"GET", dataPath + "/d?collection=c", "", nil},
	{"HEAD", dataPath + "/d?collection=c", "", nil},
	{"POST", dataPath, `{"collection":"c","data":{}}`, nil},
	{"PATCH", dataPath + "/d", `{"collection":"c","data":{}}`, nil},
	{"DELETE", dataPath + "/d?collection=c", "", nil},
	{
		"POST", dataPath + "/write",
		`{"type":"second:data:delete","requestId":"q","collection":"c","docId":"d"}`, nil,
	},
	{"POST", dataPath + "/ticket", "", nil},
	{"GET", auditPath, "", nil},
	{"HEAD", auditPath, "", nil},
}

const auditPath = "/api/workspaces/w/audit-events"

// TestOpenAPI has every operation of openapi.json answered with every status that it names, and no
// other. Each answer is what openapi.json says; damaged in any way, it is not.
func TestOpenAPI(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: schemas have no goroutines")
		return
	}
	t.Parallel()
	d := &described{T: t, in: openAPI, met: map[string]int{}}
	working := serve(
		t,
		(&sqlitetest.Harness{}).Open(t),
		small,
		func(c *gateway.Config) { c.ListBytes = 4000 },
	)
	for _, q := range workingExchanges {
		d.exchange(working, q)
	}
	for i := range 3 { // over ListBytes
		d.exchange(
			working,
			asked{
				"POST", dataPath,
				fmt.Sprintf(
					`{"collection":"big","docId":"d%d","data":{"pad":%q}}`,
					i,
					strings.Repeat("x", 1900),
				), nil,
			},
		)
	}
	d.exchange(working, asked{"GET", dataPath + "?collection=big", "", nil})
	d.exchange(working, asked{"HEAD", dataPath + "?collection=big", "", nil})
	guarded := serve(t, harnesses()["model"].Open(t), byToken)
	for _, credential := range [][]string{nil, {"Authorization: Bearer " + tokenFor(t, "u", time.Hour, nil, nil)}} {
		for _, path := range []string{"/stream", "/socket"} {
			d.exchange(guarded, asked{"GET", dataPath + path, "", credential})
		}
		for _, q := range failingExchanges {
			q.headers = credential
			d.exchange(guarded, q)
		}
	}
	limited := serve(t, (&sqlitetest.Harness{}).Open(t), byToken, func(c *gateway.Config) {
		c.RequestRate = never(1)
	})
	bearer := "Authorization: Bearer " + tokenFor(t, "u", time.Hour, roles{"w": "owner"}, nil)
	for _, q := range append(failingExchanges, asked{"GET", dataPath + "/socket", "", nil}) {
		q.headers = []string{bearer}
		d.exchange(limited, q) // the first one is not over the limit yet
		d.exchange(limited, q)
	}
	var away sync.WaitGroup
	for _, err := range []error{
		errors.New("a bug"), context.DeadlineExceeded, protocol.Errorf(protocol.CodeUnavailable, "away"),
	} {
		url := serve(t, failing{(&sqlitetest.Harness{}).Open(t), err})
		if protocol.CodeOf(err) == protocol.CodeUnavailable {
			// A text that is a cursor, if not of a database that is there.
			d.exchange(
				url,
				asked{
					"GET",
					dataPath + "/socket?cursor=" + protocol.EncodeCursor(here, []byte("?")),
					"",
					nil,
				},
			)
		}
		for _, q := range failingExchanges {
			away.Go(func() { d.exchange(url, q) }) // those that are away take 10 s
		}
	}
	away.Wait()
	d.complete()
}

// described notes which answers were met.
type described struct {
	*testing.T
	in     description
	mu     sync.Mutex
	met    map[string]int // by operation and status
	broken int
	open   map[string]bool // schemas that say little: much of what is damaged is valid
}

func (d *described) exchange(url string, q asked) reply {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, url+q.path, strings.NewReader(q.body))
	require.NoError(d, err)
	if q.body == "" {
		r.Body = nil
	}
	for _, h := range q.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(d, err)
	defer func() { _ = answer.Body.Close() }()
	a := reply{status: answer.StatusCode, header: answer.Header}
	if endless := answer.StatusCode == http.StatusSwitchingProtocols || answer.Header.Get("Content-Type") == "text/event-stream"; !endless {
		text, err := io.ReadAll(answer.Body)
		require.NoError(d, err)
		a.body = string(text)
	}
	schema := describesIn(d, d.in, r, a)
	broken := 0
	if strings.HasPrefix(schema, "schema/") && !d.open[schema] {
		broken = schemas.Broken(d, schema, a.body)
	}
	d.note(r, q.body, a.status, broken)
	return a
}

func (d *described) note(r *http.Request, body string, status, broken int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken += broken
	route := routeOf(d, d.in, r.Method, r.URL.EscapedPath())
	if route == nil || route.Operation == nil {
		return
	}
	name := strconv.Itoa(status)
	if route.Operation.Responses.Status(status) == nil {
		name = "default"
	}
	d.met[route.Operation.OperationID+" "+name]++
	if route.Operation.RequestBody != nil && body != "" && status < 300 {
		content := route.Operation.RequestBody.Value.Content["application/json"]
		require.NoError(d, schemas.Check(d, content.Schema.Ref, body), "%s %s took %s", r.Method, r.URL, body)
	}
}

// complete wants each status of each operation met.
func (d *described) complete() {
	spec, err := d.in()
	require.NoError(d, err)
	all := 0
	for _, item := range spec.Paths.Map() {
		for _, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				all++
				if d.met[operation.OperationID+" "+status] == 0 {
					d.Errorf("%s was never answered with %s", operation.OperationID, status)
				}
			}
		}
	}
	d.Logf("%d answers of all operations were met; %d damaged ones were refused", all, d.broken)
	require.Greater(d, d.broken, 300)
}
