package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/audit"
)

// TestWritesOfTheSocketOverREST: what only a socket has otherwise, an upsert, a batch that is all or nothing,
// names with dots and retries under one's own mutationId, REST carries out and answers as a socket does.
func TestWritesOfTheSocketOverREST(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, h.Open(t))
			write := func(status int, body string, headers ...string) (answer map[string]any) {
				reply, err := client.Do(t.Context(), "POST", client.DataURL(url, here, "write"), body, headers...)
				require.NoError(t, err)
				require.Equal(t, status, reply.Status, reply.Body)
				require.NoError(t, json.Unmarshal([]byte(reply.Body), &answer))
				return answer
			}
			stored := func(id string) map[string]any {
				reply, err := client.Do(t.Context(), "GET", client.DataURL(url, here, id, "collection", "c"), "")
				require.NoError(t, err)
				require.Equal(t, http.StatusOK, reply.Status, reply.Body)
				var answer struct{ Doc map[string]any }
				require.NoError(t, json.Unmarshal([]byte(reply.Body), &answer))
				return answer.Doc
			}
			upsert := `{"type":"second:data:upsert","requestId":"q","collection":"c","docId":"u","data":{"n":1}}`
			answer := write(200, upsert)
			require.Equal(t, "second:data:upsert-response", answer["type"])
			require.Equal(t, true, answer["created"])
			require.NotEmpty(t, answer["doc"].(map[string]any)["_rev"])
			require.Equal(t, false, write(200, upsert)["created"])

			write(404, `{"type":"second:data:batch","requestId":"q","operations":[`+
				`{"operation":"update","collection":"c","docId":"u","data":{"n":2}},`+
				`{"operation":"delete","collection":"c","docId":"none"}]}`)
			require.EqualValues(t, 1, stored("u")["n"], "half a batch was carried out")
			batch := `{"type":"second:data:batch","requestId":"q","mutationId":"m","operations":[` +
				`{"operation":"update","collection":"c","docId":"u","data":{"n.o":2}},` +
				`{"operation":"insert","collection":"c","data":{"n":3}}]}`
			results := write(200, batch)["results"].([]any)
			require.Len(t, results, 2)
			require.EqualValues(t, 2, stored("u")["n.o"], "without paths a dot is part of the name")
			again := write(200, batch, "Idempotency-Key: another") // the message's own counts
			require.Equal(t, true, again["replayed"])
			require.Equal(t, docID(results[1]), docID(again["results"].([]any)[1]))
			write(400, upsert, `If-Match: "x"`)
			insert := `{"type":"second:data:insert","requestId":"q","collection":"c","data":{}}`
			require.Equal(t,
				docID(write(200, insert, "Idempotency-Key: key")), docID(write(200, insert, "Idempotency-Key: key")))
		})
	}
}

// TestRefusedWriteOfTheSocketInTheTrail: the row names the path, since nobody reads what a body that is refused
// would have done.
func TestRefusedWriteOfTheSocketInTheTrail(t *testing.T) {
	t.Parallel()
	b := harnesses()["model"].Open(t)
	url := serve(t, b, byToken, func(c *gateway.Config) { c.Audit = audit.Config{Level: audit.LevelAll} })
	token := tokenFor(t, "viewer", time.Hour, roles{"w": "member"}, roles{"a": "viewer"})
	reply, err := client.Do(t.Context(), "POST", client.DataURL(url, draft, "write"),
		`{"type":"second:data:delete","requestId":"q","collection":"c","docId":"d"}`, "Authorization: Bearer "+token)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, reply.Status, reply.Body)
	var rows []map[string]any
	require.Eventually(t, func() bool {
		rows = auditRows(t, b, "w")
		return len(rows) > 0
	}, time.Minute, 10*time.Millisecond, "a row of the refusal")
	require.Equal(t, "write", rows[0]["metadata"].(map[string]any)["operation"])
}

func docID(answer any) any { return answer.(map[string]any)["doc"].(map[string]any)["_id"] }
