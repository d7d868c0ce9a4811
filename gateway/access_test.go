package gateway_test

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

var jwtSecret = []byte("a secret of at least thirty-two bytes")

// byToken has a gateway ask for tokens.
func byToken(c *gateway.Config) {
	c.Access = access.NewJWT(access.Secret(jwtSecret), "issuer", "gateway", access.DefaultClaims)
}

type roles = map[string]any

// tokenFor is a token that holds for a time.
func tokenFor(t rule.T, user string, holds time.Duration, workspaces, apps roles) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "issuer", "aud": "gateway", "exp": float64(time.Now().Add(holds).UnixMilli()) / 1000, "sub": user,
		"name": "Ada", "workspaces": workspaces, "apps": apps,
	}).SignedString(jwtSecret)
	require.NoError(t, err)
	return text
}

// person is somebody with roles.
type person struct {
	name             string
	workspaces, apps roles
}

var people = []person{
	{"owner", roles{"w": "owner"}, nil},
	{"admin", roles{"w": "admin"}, nil},
	{"creator", roles{"w": "member"}, roles{"a": "creator"}},
	{"collaborator", roles{"w": "member"}, roles{"a": "collaborator"}},
	{"viewer", roles{"w": "member"}, roles{"a": "viewer"}},
	{"member of the workspace alone", roles{"w": "member"}, nil},
	{"creator of another app", roles{"w": "member"}, roles{"b": "creator"}},
	{"creator without the workspace", nil, roles{"a": "creator"}},
	{"owner of another workspace", roles{"v": "owner"}, nil},
	{"without any role", nil, nil},
}

// places are where requests go.
var places = map[string]protocol.Scope{
	"published":         {Workspace: "w", App: "a"},
	"draft":             {Workspace: "w", App: "a", Draft: true},
	"sibling":           {Workspace: "w", App: "b"},
	"sibling's draft":   {Workspace: "w", App: "b", Draft: true},
	"another workspace": {Workspace: "v", App: "a"},
	"missing":           {Workspace: "nowhere", App: "nothing"},
}

// allowed says where a person gets in, and where it is told that the role is not enough. Everything else
// does not exist for it.
var allowed = map[string]struct{ in, roleTooSmall []string }{
	"owner":                         {in: []string{"published", "draft", "sibling", "sibling's draft"}},
	"admin":                         {in: []string{"published", "draft", "sibling", "sibling's draft"}},
	"creator":                       {in: []string{"published", "draft"}},
	"collaborator":                  {in: []string{"published", "draft"}},
	"viewer":                        {in: []string{"published"}, roleTooSmall: []string{"draft"}},
	"member of the workspace alone": {},
	"creator of another app":        {in: []string{"sibling", "sibling's draft"}},
	"creator without the workspace": {},
	"owner of another workspace":    {in: []string{"another workspace"}},
	"without any role":              {},
}

// operation is one thing to ask for over HTTP.
type operation struct {
	name, method, docID string
	body                string
	parameters          []string
}

var operations = []operation{
	{name: "list all", method: "GET"},
	{name: "list", method: "GET", parameters: []string{"collection", "c"}},
	{name: "list, malformed", method: "GET", parameters: []string{"limit", "x"}},
	{name: "head", method: "HEAD", parameters: []string{"collection", "c"}},
	{name: "document", method: "GET", docID: "d", parameters: []string{"collection", "c"}},
	{name: "document without a collection", method: "GET", docID: "d"},
	{name: "insert", method: "POST", body: `{"collection":"c","data":{"by":"x"}}`},
	{name: "insert, malformed", method: "POST", body: `{`},
	{name: "update", method: "PATCH", docID: "d", body: `{"collection":"c","data":{"by":"x"}}`},
	{
		name: "write", method: "POST", docID: "write",
		body: `{"type":"second:data:upsert","requestId":"q","collection":"c","docId":"u","data":{"by":"x"}}`,
	},
	{name: "ticket", method: "POST", docID: "ticket"},
	{name: "delete", method: "DELETE", docID: "gone", parameters: []string{"collection", "c"}},
}

// TestWhoMayDoWhat: every person, in every place, by every door. Whoever is outside gets the same bytes
// whether an app is there or not, and no document is touched.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			x := &matrix{T: t, url: serve(t, b, byToken), backend: b}
			x.fill(h)
			for _, p := range people {
				if isModel(h) || !testing.Short() {
					x.check(p)
				}
			}
			x.checkNobody()
			t.Logf("%d requests, %d of them refused", x.asked, x.refused)
			if isModel(h) || !testing.Short() {
				require.Greater(t, x.refused, 600)
			}
		})
	}
}

type matrix struct {
	*testing.T
	url            string
	backend        backends.Backend
	missing        map[string]client.Reply // answers of a place where nothing is, by operation
	asked, refused int
}

// fill puts a document into every place but the missing one.
func (x *matrix) fill(h conformance.Harness) {
	for name, s := range places {
		if name == "missing" {
			continue
		}
		var steps []conformance.Step
		for _, id := range []string{"d", "gone"} {
			ref := protocol.Ref{Scope: s, Collection: "c", ID: id}
			steps = append(steps, stepInsert(ref, `{"secret":"canary"}`))
		}
		h.Outside(x, x.backend).Do(x, true, steps...)
	}
}

func (x *matrix) check(p person) {
	x.missing = map[string]client.Reply{}
	header := "Authorization: Bearer " + tokenFor(x, p.name, time.Hour, p.workspaces, p.apps)
	for _, o := range operations {
		x.missing[o.name] = x.do(o, places["missing"], header)
	}
	x.missing["stream"] = x.stream(places["missing"], header)
	x.missing["socket"] = x.socket(places["missing"], header)
	for place, s := range places {
		want := http.StatusNotFound
		may := allowed[p.name]
		if slices.Contains(may.roleTooSmall, place) {
			want = http.StatusForbidden
		}
		if slices.Contains(may.in, place) {
			want = http.StatusOK
		}
		for _, o := range operations {
			x.expect(p.name+", "+place+", "+o.name, want, x.missing[o.name], x.do(o, s, header))
		}
		x.expect(p.name+", "+place+", stream", want, x.missing["stream"], x.stream(s, header))
		x.expect(p.name+", "+place+", socket", want, x.missing["socket"], x.socket(s, header))
	}
}

// expect compares an answer with what it must be. want 200 stands for every answer of somebody who is in.
func (x *matrix) expect(what string, want int, missing, got client.Reply) {
	x.Helper()
	x.asked++
	if want == http.StatusOK {
		require.NotContains(x, []int{401, 403}, got.Status, what)
		require.NotContains(x, got.Body, "app_not_found", what)
		return
	}
	x.refused++
	require.Equal(x, want, got.Status, what)
	require.NotContains(x, got.Body, "canary", what)
	if want == http.StatusNotFound {
		require.Equal(x, missing.Body, got.Body, what)
		require.Equal(x, withoutDate(missing.Header), withoutDate(got.Header), what)
	}
}

func withoutDate(h http.Header) http.Header {
	h = maps.Clone(h)
	h.Del("Date")
	return h
}

func (x *matrix) do(o operation, s protocol.Scope, headers ...string) client.Reply {
	x.Helper()
	a, err := client.Do(
		x.Context(),
		o.method,
		client.DataURL(x.url, s, o.docID, o.parameters...),
		o.body,
		headers...)
	require.NoError(x, err)
	return a
}

// stream opens an event stream and drops it.
func (x *matrix) stream(s protocol.Scope, headers ...string) client.Reply {
	x.Helper()
	stream, err := client.OpenStream(x.Context(), client.StreamURL(x.url, s), headers...)
	require.NoError(x, err)
	stream.Cut()
	return client.Reply{Status: stream.Status, Header: stream.Header}
}

// socket asks for a socket. An answer of 101 counts as 200.
func (x *matrix) socket(s protocol.Scope, header string) client.Reply {
	x.Helper()
	name, value, _ := strings.Cut(header, ": ")
	conn, answer, err := websocket.Dial(x.Context(), client.URL(x.url, s), &websocket.DialOptions{
		Subprotocols: []string{protocol.Subprotocol}, HTTPHeader: http.Header{name: {value}},
	})
	if err == nil {
		require.NoError(x, conn.CloseNow())
		return client.Reply{Status: http.StatusOK}
	}
	require.NotNil(x, answer, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(x, err)
	return client.Reply{Status: answer.StatusCode, Header: answer.Header, Body: string(body)}
}

// checkNobody: without a credential, or with one that does not count, every place answers 401 alike; and
// nobody who was refused has changed anything.
func (x *matrix) checkNobody() {
	expired := tokenFor(x, "u", -time.Hour, roles{"w": "owner"}, nil)
	for _, header := range []string{
		"X-Nothing: x", "Authorization: Bearer " + expired, "Authorization: Bearer x", "Cookie: session=x",
	} {
		for place, s := range places {
			for _, o := range operations {
				x.expectNobody(header+", "+place+", "+o.name, x.do(o, s, header))
			}
			x.expectNobody(header+", "+place+", stream", x.stream(s, header))
			x.expectNobody(header+", "+place+", socket", x.socket(s, header))
		}
	}
	for _, place := range []string{"another workspace"} {
		header := "Authorization: Bearer " + tokenFor(x, "u", time.Hour, roles{"v": "admin"}, nil)
		doc := x.do(operations[4], places[place], header)
		require.Contains(x, doc.Body, "canary", place)
	}
}

func (x *matrix) expectNobody(what string, got client.Reply) {
	x.Helper()
	x.asked++
	x.refused++
	require.Equal(x, http.StatusUnauthorized, got.Status, what)
	require.Equal(x, "Bearer", got.Header.Get("WWW-Authenticate"), what)
}
