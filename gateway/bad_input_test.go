package gateway_test

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// badInput is one malformed thing at one door, and what must come of it: the verdict, a store that
// is as it was, and a connection that goes on unless the verdict ends it.
type badInput struct {
	door, name string
	// status is that of HTTP, or the close code of a socket that is ended; 0 for an answer on the
	// socket.
	status int
	code   string
	says   string // part of the sentence
	send   func(b *badDoor) verdict
}

// verdict is what came of it.
type verdict struct {
	status        int
	code, message string
}

// badDoor is the gateway that bad input is sent to, and what the rows know of its store.
type badDoor struct {
	*testing.T
	url  string
	http *http.Client // of one connection
	rev  string       // of d1
	// cursors that are well made: of another scope, another database, the future.
	foreign, strange, future string
}

// internals must never reach a client.
var internals = regexp.MustCompile(`(?i)sql|goroutine|panic|\.go:|runtime|0x[0-9a-f]{6}|/tmp|nil pointer|EOF`)

func badInputs(t *testing.T) []badInput {
	return slices.Concat(
		badREST(), badFrames(t), badSocketRequests(), badHandshakes(), badStreams(), badBytes(), badSocketBytes(),
	)
}

func TestBadInput(t *testing.T) {
	rows := badInputs(t)
	require.GreaterOrEqual(t, len(rows), 150)
	doors := map[string]int{}
	h := &sqlitetest.Harness{}
	url := serve(t, h.Open(t), small, func(c *gateway.Config) { c.Limits.Operations = 3 })
	b := newBadDoor(t, h, url)
	before := b.store(t)
	for _, row := range rows {
		doors[row.door]++
		t.Run(row.door+"/"+row.name, func(t *testing.T) {
			door := *b
			door.T = t
			got := row.send(&door)
			require.Equal(t, row.status, got.status, "%+v", got)
			require.Equal(t, row.code, got.code, "%+v", got)
			require.Contains(t, got.message, row.says)
			if got.code != "" {
				require.NotEmpty(t, got.message)
				require.NotRegexp(t, internals, got.message)
			}
			require.Equal(t, before, b.store(t), "the store has changed")
		})
	}
	t.Logf("%d rows: %v", len(rows), doors)
}

// newBadDoor fills the store and makes cursors that are good elsewhere.
func newBadDoor(t *testing.T, h *sqlitetest.Harness, url string) *badDoor {
	b := &badDoor{T: t, url: url, http: &http.Client{
		Transport:     &http.Transport{MaxConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(b.http.CloseIdleConnections)
	c := rest{t, url}
	first := c.do("POST", dataPath, `{"collection":"c","docId":"d1","data":{"n":1,"a":{"b":1,"l":[1,2]}}}`)
	require.Equal(t, 201, first.status)
	b.rev = first.header.Get("ETag")
	require.Equal(
		t, 201, c.do("POST", dataPath, `{"collection":"c","docId":"d3","data":{}}`, "Idempotency-Key: used").status,
	)
	b.foreign = c.do("GET", "/api/workspaces/w/apps/other/data?collection=c", "").header.Get("Second-Cursor")
	other := rest{t, serve(t, h.Open(t))}
	b.strange = other.do("GET", dataPath+"?collection=c", "").header.Get("Second-Cursor")
	b.future = futureCursor(t, c)
	return b
}

// futureCursor is one of the same database, far beyond its newest change, as a restored backup
// meets.
func futureCursor(t *testing.T, c rest) string {
	raw, err := protocol.DecodeCursor(
		here, c.do("GET", dataPath+"?collection=c", "").header.Get("Second-Cursor"),
	)
	require.NoError(t, err)
	const nameBytes, tagBytes = 1 + 8, 4 // of a cursor of SQLite: whose it is, then the position, then its tag
	tag := slices.Clone(raw[len(raw)-tagBytes:])
	return protocol.EncodeCursor(here, append(binary.AppendUvarint(raw[:nameBytes:nameBytes], 1<<40), tag...))
}

// store is everything that the scopes of the rows hold.
func (b *badDoor) store(t *testing.T) string {
	t.Helper()
	all := ""
	for _, path := range []string{dataPath, dataPath + "?version=draft", "/api/workspaces/w/apps/other/data"} {
		a := rest{t, b.url}.do("GET", path, "")
		require.Equal(t, 200, a.status)
		all += a.body
	}
	return all
}

// refusalOf reads the body of a refusal.
func refusalOf(t *testing.T, status int, body []byte) verdict {
	t.Helper()
	var e struct{ Error, Message string }
	if json.Unmarshal(body, &e) != nil {
		return verdict{status: status, message: string(body)}
	}
	return verdict{status, e.Error, e.Message}
}

// dial opens a socket of its own for a row.
func (b *badDoor) dial(parameters ...string) *client.Client {
	b.Helper()
	c, err := client.Dial(b.Context(), client.URL(b.url, here, parameters...))
	require.NoError(b, err)
	b.Cleanup(c.Cut)
	return c
}

// alive requires that the socket still answers.
func (b *badDoor) alive(c *client.Client) {
	b.Helper()
	m, err := c.Call(b.Context(), protocol.Request{Type: protocol.TypePing})
	require.NoError(b, err)
	require.Nil(b, m.Error)
}
