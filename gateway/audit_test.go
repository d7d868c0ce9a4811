package gateway_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/protocol"
)

// auditRows are the rows of a workspace, oldest first, without what differs from run to run.
func auditRows(t *testing.T, b backends.Backend, workspace string) (rows []map[string]any) {
	t.Helper()
	found, err := b.Find(t.Context(), backends.AuditKind, workspace+"/", "", 1000)
	require.NoError(t, err)
	for _, e := range found {
		var row map[string]any
		require.NoError(t, json.Unmarshal(e.Body, &row))
		require.True(t, protocol.ServerMade(row["_id"].(string)))
		canonical, err := protocol.Canonical(e.Body)
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(e.Body), "the body is canonical")
		rows = append(rows, row)
	}
	return rows
}

// dropTimes takes the times of a row away, which it checks.
func dropTimes(t *testing.T, row map[string]any, kept time.Duration) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, row["occurredAt"].(string))
	require.NoError(t, err)
	for _, name := range []string{"createdAt", "observedAt"} {
		require.Equal(t, row["occurredAt"], row[name])
	}
	retention := row["retention"].(map[string]any)
	require.Equal(t, string(protocol.AppendTime(nil, at.Add(kept))), retention["expiresAt"])
	for _, name := range []string{"_id", "occurredAt", "createdAt", "observedAt", "retention"} {
		delete(row, name)
	}
}

// aRow is a row of a write by the owner, as the table of research/agents-upstream.md has it.
func aRow(done, severity, id string, changes, more map[string]any) map[string]any {
	metadata := map[string]any{"collection": "c", "sourceVersion": "draft", "dataScope": "draft"}
	maps.Copy(metadata, more)
	title := map[string]string{
		"inserted": "Inserted", "updated": "Updated", "upserted": "Upserted", "deleted": "Deleted",
	}
	changes["redactedFields"] = []any{}
	return map[string]any{
		"workspaceId": "w", "schemaVersion": 1.0, "eventName": "app_data.document." + done, "category": "app_data",
		"severity": severity, "outcome": "success", "action": done, "summary": title[done] + " document in c.",
		"actor": map[string]any{"kind": "user", "userId": "owner", "displayName": "Ada", "role": "owner"},
		"target": map[string]any{
			"type": "app_data_document", "id": id, "name": "c / " + id, "parentType": "app", "parentId": "a",
		},
		"metadata": metadata, "changes": changes,
		"relatedIds": map[string]any{"appId": "a", "appDataDocumentId": id},
	}
}

// The hashes of documents, made with Node as in gateway/audit/testdata/vectors.mjs.
const (
	hashN1       = "sha256:2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd"
	hashN2Bb     = "sha256:07369a01747fe85c6d7771205f58a68f6c62631b17a6c4ead367d4b8968bfd89"
	hashK        = "sha256:d751508394993dcaf272b40e0c65e688c094622fc89d369f2ae64885c5ad3129"
	hashLoopback = "sha256:882704996ded"
	hashAgent    = "sha256:2b693c9f5a5a"
)

// TestAuditRows: each operation leaves its row, over REST and sockets, and whoever is asked again
// leaves none.
func TestAuditRows(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			url := serve(t, b, byToken)
			writeAudited(t, url, tokenFor(t, "owner", time.Hour, roles{"w": "owner"}, nil))
			checkAuditRows(t, auditRows(t, b, "w"))
		})
	}
}

func writeAudited(t *testing.T, url, token string) {
	t.Helper()
	header := []string{
		"Authorization: Bearer " + token, "User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "X-Request-Id: r1",
		"Idempotency-Key: once", "Content-Type: application/json",
	}
	for range 2 { // the second one is a replay
		a, err := client.Do(t.Context(), "POST", client.DataURL(url, draft, ""),
			`{"collection":"c","docId":"d","data":{"n":1}}`, header...)
		require.NoError(t, err)
		require.Equal(t, 201, a.Status, a.Body)
	}
	c, err := client.Dial(t.Context(), client.URL(url, draft), protocol.Subprotocol, "second.bearer."+token)
	require.NoError(t, err)
	defer c.Cut()
	do := func(q protocol.Request) {
		m, err := c.Call(t.Context(), q)
		require.NoError(t, err)
		require.Nil(t, m.Error)
	}
	do(
		protocol.Request{
			Type:       protocol.TypeUpdate,
			Collection: "c",
			DocID:      "d",
			Data:       []byte(`{"Bb":[1],"n":2}`),
		},
	)
	do(protocol.Request{
		Type: protocol.TypeUpsert, Collection: "c", Filter: []byte(`{"k":"v"}`), Data: []byte(`{"n":3}`),
	})
	do(protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
		{Type: protocol.TypeDelete, Collection: "c", DocID: "d"},
		{Type: protocol.TypeInsert, Collection: "c", DocID: "e", Data: []byte(`{"n":1}`)},
	}})
}

func checkAuditRows(t *testing.T, rows []map[string]any) {
	t.Helper()
	require.Len(t, rows, 5)
	upserted := rows[2]["target"].(map[string]any)["id"].(string)
	for i, want := range []map[string]any{
		aRow("inserted", "notice", "d", map[string]any{"changedFields": []any{"n"}, "afterHash": hashN1}, nil),
		aRow("updated", "notice", "d", map[string]any{
			"changedFields": []any{"Bb", "n"}, "beforeHash": hashN1, "afterHash": hashN2Bb,
		}, nil),
		aRow("upserted", "notice", upserted, map[string]any{"changedFields": []any{"n"}, "afterHash": hashK},
			map[string]any{"filterKeys": []any{"k"}}),
		aRow("deleted", "warning", "d", map[string]any{
			"changedFields": []any{"Bb", "n"}, "beforeHash": hashN2Bb,
		}, nil),
		aRow("inserted", "notice", "e", map[string]any{"changedFields": []any{"n"}, "afterHash": hashN1}, nil),
	} {
		row := rows[i]
		dropTimes(t, row, audit.DefaultRetention)
		source := row["source"].(map[string]any)
		delete(row, "source")
		require.Equal(t, want, row)
		checkAuditSource(t, source, i == 0)
	}
}

func checkAuditSource(t *testing.T, source map[string]any, byREST bool) {
	t.Helper()
	want := map[string]any{
		"kind": "app_iframe", "trust": "client_untrusted", "appId": "a", "sourceVersion": "draft",
		"ipHash": hashLoopback, "userAgentHash": source["userAgentHash"], "requestId": source["requestId"],
	}
	if byREST {
		want["requestId"], want["userAgentHash"] = "r1", hashAgent
	}
	require.Equal(t, want, source)
	require.Regexp(t, "^sha256:[0-9a-f]{12}$", source["userAgentHash"])
	require.NotEmpty(t, source["requestId"])
}

// TestAuditLevels: off leaves no row, writes none of a refused write, all one of each, with why.
func TestAuditLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[audit.Level]int{audit.LevelOff: 0, audit.LevelWrites: 1, audit.LevelAll: 4} {
		b := (&sqlitetest.Harness{}).Open(t)
		refuseSome(t, serve(t, b, byToken, func(c *gateway.Config) { c.Audit = audit.Config{Level: level} }))
		var rows []map[string]any
		require.Eventually(t, func() bool {
			rows = auditRows(t, b, "w")
			return len(rows) >= want
		}, time.Minute, 10*time.Millisecond, "rows of level %d", level)
		require.Len(t, rows, want, "level %d", level)
		if level == audit.LevelAll {
			checkRefusals(t, rows)
		}
	}
}

func refuseSome(t *testing.T, url string) {
	t.Helper()
	for _, who := range []struct {
		user   string
		roles  roles
		status []int
	}{
		{"owner", roles{"w": "owner"}, []int{201, 409}},
		{"viewer", roles{"w": "member"}, []int{403}},
		{"outsider", roles{"v": "owner"}, []int{404}},
	} {
		for _, status := range who.status {
			token := tokenFor(t, who.user, time.Hour, who.roles, roles{"a": "viewer"})
			a, err := client.Do(t.Context(), "POST", client.DataURL(url, draft, ""),
				`{"collection":"c","docId":"d","data":{"n":1}}`, "Authorization: Bearer "+token)
			require.NoError(t, err)
			require.Equal(t, status, a.Status, a.Body)
		}
	}
}

func checkRefusals(t *testing.T, rows []map[string]any) {
	t.Helper()
	type refusal struct{ user, outcome, code, operation string }
	var got []refusal
	for _, row := range rows {
		if row["eventName"] != "app_data.write.refused" {
			continue
		}
		metadata := row["metadata"].(map[string]any)
		got = append(got, refusal{
			row["actor"].(map[string]any)["userId"].(string), row["outcome"].(string), metadata["code"].(string),
			metadata["operation"].(string),
		})
	}
	slices.SortFunc(got, func(a, b refusal) int { return len(a.user) - len(b.user) })
	require.Equal(t, []refusal{
		{"owner", "failure", "already_exists", "insert"},
		{"viewer", "denied", "forbidden", "insert"},
		{"outsider", "denied", "app_not_found", "insert"},
	}, got)
}

// TestDocumentedAuditRow: the row in docs/security.md has the members of a real one, and no other.
func TestDocumentedAuditRow(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/security.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "## Audit")
	_, section, _ = strings.Cut(section, "```json\n")
	section, _, _ = strings.Cut(section, "```")
	var documented map[string]any
	require.NoError(t, json.Unmarshal([]byte(section), &documented))
	b := (&sqlitetest.Harness{}).Open(t)
	writeAudited(t, serve(t, b, byToken), tokenFor(t, "owner", time.Hour, roles{"w": "owner"}, nil))
	require.Equal(t, membersOf("", auditRows(t, b, "w")[1]), membersOf("", documented))
}

// membersOf names all members of an object, at any depth.
func membersOf(path string, object map[string]any) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		names = append(names, path+name)
		if inner, ok := object[name].(map[string]any); ok {
			names = append(names, membersOf(path+name+".", inner)...)
		}
	}
	return names
}
