package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/protocol"
)

// storedRow is a row of a database's other users: of web apps, or of gateways that are gone.
func storedRow(t *testing.T, b backends.Backend, n int, at time.Time, members string) (id string) {
	t.Helper()
	id = fmt.Sprintf("%024x", n)
	stamp := protocol.AppendTime(nil, at)
	body, err := protocol.Canonical(fmt.Appendf(nil,
		`{"_id":%q,"workspaceId":"w","occurredAt":%q,"retention":{"expiresAt":null,"legalHold":false}%s}`,
		id, stamp, members))
	require.NoError(t, err)
	require.NoError(t, b.Put(t.Context(), backends.Entry{
		Kind: backends.AuditKind, Key: backends.AuditKey("w", at, id), Body: body, At: at,
	}, false))
	return id
}

// listed asks for rows and returns their numbers, and where to go on.
func listed(t *testing.T, base, parameters string, headers ...string) (numbers []int, next string) {
	t.Helper()
	a, err := client.Do(t.Context(), "GET", base+auditPath+"?"+parameters, "", headers...)
	require.NoError(t, err)
	require.Equal(t, 200, a.Status, a.Body)
	var page audit.Page
	require.NoError(t, json.Unmarshal([]byte(a.Body), &page))
	for _, item := range page.Items {
		var n int
		_, err := fmt.Sscanf(item.ID, "%x", &n)
		require.NoError(t, err)
		numbers = append(numbers, n)
	}
	if page.NextBefore != nil {
		next = *page.NextBefore
	}
	return numbers, next
}

// noon is the time of the first row.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// TestAuditList: what each parameter selects, on every database.
func TestAuditList(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			base := serve(t, b)
			at := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Millisecond) }
			for n, members := range []string{
				`,"eventName":"app.created","category":"apps","outcome":"success","summary":"Created Shop."`,
				`,"actor":{"kind":"user","userId":"u1","displayName":"Ada"},"outcome":"denied"`,
				`,"target":{"type":"app","id":"a1","name":"Shop"}`,
				`,"source":{"kind":"web_server","trust":"server_trusted","appId":"a1"}`,
				`,"category":"apps","outcome":"denied"`,
			} {
				storedRow(t, b, n, at(n/2), members) // two rows have one time
			}
			for parameters, want := range map[string][]int{
				"": {4, 3, 2, 1, 0}, "category=apps": {4, 0}, "outcome=denied": {4, 1}, "eventName=app.created": {0},
				"actorUserId=u1": {1}, "targetType=app": {2}, "targetId=a1": {2}, "appId=a1": {3}, "q=SHOP": {2, 0},
				"q=%20ada": {1}, "category=apps&outcome=denied": {4}, "q=nothing": nil,
				"since=" + stamp(at(1)): {4, 3, 2}, "until=" + stamp(at(1)): {3, 2, 1, 0},
				"before=" + stamp(at(1)): {1, 0}, "since=" + stamp(at(1)) + "&until=" + stamp(at(1)): {3, 2},
				"before=" + stamp(at(2)) + "&until=" + stamp(at(9)): {3, 2, 1, 0},
			} {
				got, next := listed(t, base, parameters)
				require.Equal(t, want, got, parameters)
				require.Empty(t, next, parameters)
			}
			var walked []int
			for before := ""; ; {
				got, next := listed(t, base, "limit=2&before="+url.QueryEscape(before))
				walked = append(walked, got...)
				if before = next; next == "" {
					break
				}
			}
			require.Equal(t, []int{4, 3, 2, 1, 0}, walked, "page by page")
		})
	}
}

func stamp(at time.Time) string { return url.QueryEscape(string(protocol.AppendTime(nil, at))) }

// TestAuditListIsBounded: a filter that matches nothing looks at a part of the rows, and says where to go on.
func TestAuditListIsBounded(t *testing.T) {
	t.Parallel()
	b := harnesses()["model"].Open(t)
	for n := range 5600 {
		storedRow(t, b, n, noon, "")
	}
	base := serve(t, b)
	got, next := listed(t, base, "q=nothing")
	require.Empty(t, got)
	require.True(t, strings.HasSuffix(next, fmt.Sprintf("_%024x", 600)), next)
	got, next = listed(t, base, "q=nothing&before="+url.QueryEscape(next))
	require.Empty(t, got)
	require.Empty(t, next)
}

// TestBadAuditParameters: each is refused with a sentence that names it.
func TestBadAuditParameters(t *testing.T) {
	t.Parallel()
	base := serve(t, harnesses()["model"].Open(t))
	for parameters, says := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "limit=1&limit=2": "limit", "since=x": "since",
		"until=2026": "until", "before=x": "before", "before=2026-11-30T10:00:00.000Z_x": "before",
		"category=x": "category", "outcome=x": "outcome", "targetType=x": "targetType", "targetId=%ff": "targetId",
		"q=" + strings.Repeat("x", 200): "q ", "%zz": "query", "eventName=" + strings.Repeat("x", 5000): "eventName",
	} {
		a, err := client.Do(t.Context(), "GET", base+auditPath+"?"+parameters, "")
		require.NoError(t, err)
		require.Equal(t, 400, a.Status, parameters)
		require.Contains(t, a.Body, says, parameters)
	}
}

// TestWhoMayReadTheAuditTrail: of ten people and nobody, in three workspaces, on every database. An
// outsider gets the same bytes whether there is such a workspace or not.
func TestWhoMayReadTheAuditTrail(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			base := serve(t, b, byToken)
			storedRow(t, b, 1, noon, `,"summary":"canary"`)
			for _, p := range people {
				header := "Authorization: Bearer " + tokenFor(t, p.name, time.Hour, p.workspaces, p.apps)
				missing := askAudit(t, base, "nowhere", header)
				require.Equal(t, 404, missing.Status, p.name)
				for _, workspace := range []string{"w", "v"} {
					a := askAudit(t, base, workspace, header)
					switch p.workspaces[workspace] {
					case "owner", "admin":
						require.Equal(t, 200, a.Status, p.name)
						require.Equal(t, workspace == "w", strings.Contains(a.Body, "canary"), p.name)
					case "member":
						require.Equal(t, 403, a.Status, p.name)
						require.Contains(t, a.Body, "audit_logs_forbidden")
					default:
						require.Equal(t, 404, a.Status, p.name)
						require.Equal(t, missing.Body, a.Body, p.name)
						require.Equal(t, withoutDate(missing.Header), withoutDate(a.Header), p.name)
					}
				}
			}
			for _, workspace := range []string{"w", "nowhere", "!"} {
				require.Equal(t, 401, askAudit(t, base, workspace, "X-Nothing: x").Status)
			}
		})
	}
}

func askAudit(t *testing.T, base, workspace, header string) client.Reply {
	t.Helper()
	a, err := client.Do(t.Context(), "GET", base+"/api/workspaces/"+workspace+"/audit-events", "", header)
	require.NoError(t, err)
	return a
}

// TestHooksDecideWhoReadsTheAuditTrail: a web app is asked about the workspace alone.
func TestHooksDecideWhoReadsTheAuditTrail(t *testing.T) {
	t.Parallel()
	h, base := serveBy(t, access.NewForward)
	for role, want := range map[string]int{"owner": 200, "admin": 200, "member": 403, "": 404} {
		h.says(says(`{"user":{"id":"ada"},"workspaceRole":"` + role + `"}`))
		a := askAudit(t, base, "w"+role, session)
		require.Equal(t, want, a.Status, role)
		asked := h.last.URL.Query()
		require.Equal(t, []string{"w" + role, ""}, []string{asked.Get("workspace"), asked.Get("app")})
	}
	h, base = serveBy(t, access.NewSecond)
	for code, want := range map[int]int{200: 200, 401: 401, 403: 403, 404: 404} {
		h.says(status(code))
		workspace := fmt.Sprint("w", code)
		a := askAudit(t, base, workspace, session)
		require.Equal(t, want, a.Status)
		require.Equal(t, "/access/api/workspaces/"+workspace+"/audit-events", h.last.URL.Path)
		require.Equal(t, want == 403, strings.Contains(a.Body, "audit_logs_forbidden"))
	}
}

// TestAuditPathIsTheWebAppsWhereNobodyIsAsked: and nothing is there without a trail.
func TestAuditPathIsTheWebAppsWhereNobodyIsAsked(t *testing.T) {
	t.Parallel()
	b := harnesses()["model"].Open(t)
	off := serve(t, b, func(c *gateway.Config) { c.Audit.Level = audit.LevelOff })
	require.Equal(t, 404, askAudit(t, off, "w", "X-Nothing: x").Status)
	app := httptest.NewServer(says("the web app's"))
	t.Cleanup(app.Close)
	u, err := url.Parse(app.URL)
	require.NoError(t, err)
	forwarding := serve(t, b, func(c *gateway.Config) { c.Forward = u })
	require.Equal(t, "the web app's", askAudit(t, forwarding, "w", "X-Nothing: x").Body)
	require.Equal(t, 200, askAudit(t, serve(t, b), "w", "X-Nothing: x").Status)
}
