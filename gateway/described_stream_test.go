package gateway_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
)

// TestStreamSchemas has every event of a stream, with _rev and without. Each is what its schema
// says; damaged in any way, it is not.
func TestStreamSchemas(t *testing.T) {
	t.Parallel()
	c := rest{t, serve(t, (&sqlitetest.Harness{}).Open(t))}
	met, broken := map[string]int{}, 0
	for _, query := range []string{"rev=0", "rev=1"} {
		c.do("POST", dataPath, `{"collection":"c","docId":"`+query[4:]+`","data":{"n":1}}`)
		lost := openStream(t, t.Context(), c.url+dataPath+"/stream?cursor=nonsense&"+query)
		lost.until("the replay", func(b event) bool { return b.Type == "update" })
		live := openStream(t, t.Context(), c.url+dataPath+"/stream?"+query)
		c.do("POST", dataPath, `{"collection":"c","docId":"d","data":{"n":1}}`)
		c.do("PATCH", dataPath+"/d", `{"collection":"c","data":{"n":2}}`)
		c.do("DELETE", dataPath+"/d?collection=c", "")
		live.until("the delete", func(b event) bool { return b.Type == "delete" && b.DocID == "d" })
		ended := endedStream(t, query)
		for _, b := range slices.Concat(lost.seen, live.seen, ended.seen) {
			if b.data == "" {
				continue
			}
			require.NoError(t, schemas.Check(t, "schema/event.json", b.data), b.data)
			broken += schemas.Broken(t, "schema/event.json", b.data)
			met[b.event+b.Type]++
		}
	}
	t.Logf("events met: %v; %d damaged ones were refused", met, broken)
	for _, kind := range []string{"insert", "update", "delete", "reset", "unauthorized"} {
		require.NotZero(t, met[kind], kind)
	}
	require.Len(t, met, 5)
	require.Greater(t, broken, 200)
}

// endedStream is a stream whose token has expired.
func endedStream(t *testing.T, query string) *eventStream {
	t.Helper()
	url := serve(t, (&sqlitetest.Harness{}).Open(t), byToken)
	token := collaborates.token(t, 1200*time.Millisecond)
	w := openStream(t, t.Context(), client.StreamURL(url, draft)+"&"+query, "Authorization: Bearer "+token)
	w.until("the end", func(e event) bool { return e.event == "unauthorized" })
	return w
}
