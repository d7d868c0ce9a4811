package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
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
		for _, b := range append(lost.seen, live.seen...) {
			if b.data == "" {
				continue
			}
			require.NoError(t, schemas.Check(t, "schema/event.json", b.data), b.data)
			broken += schemas.Broken(t, "schema/event.json", b.data)
			met[b.event+b.Type]++
		}
	}
	t.Logf("events met: %v; %d damaged ones were refused", met, broken)
	for _, kind := range []string{"insert", "update", "delete", "reset"} {
		require.NotZero(t, met[kind], kind)
	}
	require.Len(t, met, 4)
	require.Greater(t, broken, 200)
}
