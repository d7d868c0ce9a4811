package gateway_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// understood are requests that the gateway carries out, in this order, with changes=all; followed
// those with changes=none. refused are not carried out.
var (
	understood = []string{
		`{"type":"second:data:ping","requestId":"r"}`,
		`{"type":"second:auth:refresh","requestId":"r","token":"t"}`,
		`{"type":"second:data:insert","requestId":"r","collection":"c","docId":"d1","data":{"a":1},"mutationId":"m1","source":{"any":1}}`,
		`{"type":"second:data:insert","requestId":"r","collection":"c","data":{}}`,
		`{"type":"second:data:update","requestId":"r","collection":"c","docId":"d1","data":{"b.c":1},"paths":true,"mutationId":"m2"}`,
		`{"type":"second:data:upsert","requestId":"r","collection":"c","filter":{"a":1},"data":{"x":[]},"mutationId":"m3"}`,
		`{"type":"second:data:upsert","requestId":"r","collection":"c","docId":"d2","data":{}}`,
		`{"type":"second:data:batch","requestId":"r","mutationId":"m4","operations":[{"operation":"insert","collection":"c","docId":"d3","data":{}},{"operation":"update","collection":"c","docId":"d3","data":{}},{"operation":"upsert","collection":"c","docId":"d3","data":{}},{"operation":"delete","collection":"c","docId":"d3"}]}`,
		`{"type":"second:data:doc","requestId":"r","collection":"c","docId":"d1"}`,
		`{"type":"second:data:doc","requestId":"r","collection":"c","docId":"none"}`,
		`{"type":"second:data:list","requestId":"r","collection":"c","limit":1}`,
		`{"type":"second:data:list","requestId":"r","collection":"none"}`,
		`{"type":"second:data:delete","requestId":"r","collection":"c","docId":"d1","mutationId":"m5"}`,
		// Again, now that it is gone.
		`{"type":"second:data:insert","requestId":"r","collection":"c","docId":"d1","data":{"a":1},"mutationId":"m1"}`,
		`{"type":"second:data:update","requestId":"r","collection":"c","docId":"d1","data":{"b.c":1},"paths":true,"mutationId":"m2"}`,
		`{"type":"second:data:upsert","requestId":"r","collection":"c","filter":{"a":1},"data":{"x":[]},"mutationId":"m3"}`,
		`{"type":"second:data:batch","requestId":"r","mutationId":"m4","operations":[{"operation":"insert","collection":"c","docId":"d3","data":{}},{"operation":"update","collection":"c","docId":"d3","data":{}},{"operation":"upsert","collection":"c","docId":"d3","data":{}},{"operation":"delete","collection":"c","docId":"d3"}]}`,
		`{"type":"second:data:delete","requestId":"r","collection":"c","docId":"d1","mutationId":"m5"}`,
	}
	followed = []string{
		`{"type":"second:data:insert","requestId":"r","collection":"c","docId":"d5","data":{"a":1}}`,
		`{"type":"second:data:subscribe","requestId":"r","collection":"c"}`,
		`{"type":"second:data:subscribe","requestId":"r","collection":"c","docId":"d5"}`,
		`{"type":"second:data:unsubscribe","requestId":"r","collection":"c","docId":"d5"}`,
	}
	refused = []string{
		`{"type":"second:data:list","requestId":"r","collection":"c","after":"x"}`,
		`{"type":"second:data:doc","requestId":"r","collection":"c","docId":"d","more":1}`,
		`{"type":"second:data:insert","requestId":"r","collection":"c","docId":"d2","data":{}}`,
		`{"type":"second:data:insert","requestId":"r","collection":"c","data":{"a":1,"a":2}}`,
		`{"type":"second:data:update","requestId":"r","collection":"c","docId":"none","data":{}}`,
		`{"type":"second:data:delete","requestId":"r","collection":"c","docId":"none"}`,
		`{"type":"second:data:upsert","requestId":"r","collection":"c","filter":{"a":{"$gt":1}},"data":{}}`,
		`{"type":"second:data:batch","requestId":"r","operations":[{"operation":"delete","collection":"c","docId":"none"}]}`,
		`{"type":"second:data:subscribe","requestId":"r","collection":"c"}`,
		`{"type":"second:data:unsubscribe","requestId":"r","collection":"c"}`,
		`{"type":"second:data:ping","requestId":"r","collection":"c"}`,
		`{"type":"second:auth:refresh","requestId":"r"}`,
		`{"type":"second:data:later","requestId":"r"}`,
		`{"type":"later","requestId":"r"`,
		`{"requestId":"r"}`,
		`[]`,
	}
)

// transcript is one connection of which every frame is held to the schemas.
type transcript struct {
	*testing.T
	whole  *testing.T // at whose end connections are closed
	conn   *websocket.Conn
	frames chan string
	met    map[string]int // by type, and whether it refuses or replays
	broken *int
	cursor *string // of the newest bookmark
}

func (m transcript) dial(url string, parameters ...string) transcript {
	m.Helper()
	conn, _, err := websocket.Dial(m.Context(), client.URL(url, here, parameters...), nil)
	require.NoError(m, err)
	m.conn, m.frames = conn, make(chan string, 1000)
	go func() { // ends with the connection
		defer close(m.frames)
		for {
			_, frame, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			m.frames <- string(frame)
		}
	}()
	m.whole.Cleanup(func() { _ = conn.CloseNow() })
	return m
}

// await reads frames until a message of a type has come, unless one has before.
func (m transcript) await(t protocol.Type) {
	m.Helper()
	for m.met[string(t)] == 0 {
		m.next(string(t))
	}
}

func (m transcript) next(what string) []protocol.Received {
	m.Helper()
	select {
	case frame, open := <-m.frames:
		require.True(m, open, "the connection ended before %s", what)
		return m.note(frame)
	case <-time.After(time.Minute):
		require.FailNow(m, "nothing comes", what)
		return nil
	}
}

// note holds a frame to the schemas, and its damaged forms.
func (m transcript) note(frame string) []protocol.Received {
	m.Helper()
	require.NoError(m, schemas.Check(m, "schema/message.json", frame), frame)
	parts := []json.RawMessage{json.RawMessage(frame)}
	if frame[0] == '[' {
		require.NoError(m, json.Unmarshal([]byte(frame), &parts))
	}
	for _, part := range parts {
		*m.broken += schemas.Broken(m, "schema/message.json#/$defs/one", string(part))
	}
	received, err := protocol.DecodeFrame([]byte(frame))
	require.NoError(m, err)
	for _, r := range received {
		name := string(r.Type)
		switch {
		case r.Type == protocol.TypeBookmark:
			*m.cursor = r.Cursor
		case r.Type == protocol.TypeError:
		case r.Error != nil:
			name += " refused"
		case r.Replayed:
			name += " replayed"
		}
		m.met[name]++
	}
	return received
}

// ask sends a request and reads up to its answer; wanted tells whether the schema of requests
// should have it.
func (m transcript) ask(text string, wanted bool) protocol.Received {
	m.Helper()
	if wanted {
		require.NoError(m, schemas.Check(m, "schema/request.json", text), text)
	}
	require.NoError(m, m.conn.Write(m.Context(), websocket.MessageText, []byte(text)))
	for {
		for _, r := range m.next("the answer to " + text) {
			if strings.HasSuffix(string(r.Type), protocol.ResponseSuffix) || r.Type == protocol.TypeError {
				require.Equal(m, wanted, r.Error == nil, "%s: %+v", text, r.Error)
				return r
			}
		}
	}
}

// TestSocketSchemas has conversations in which each request is carried out and refused, and each
// message of the gateway comes. Each is what its schema says; damaged in any way, it is not.
func TestSocketSchemas(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: schemas have no goroutines")
		return
	}
	t.Parallel()
	broken := 0
	m := transcript{T: t, whole: t, met: map[string]int{}, broken: &broken, cursor: new(string)}
	var last transcript
	t.Run("conversation", func(t *testing.T) {
		m.T = t
		b := newFaulty((&sqlitetest.Harness{}).Open(t))
		url := serve(t, b)
		all := m.dial(url)
		for _, text := range understood {
			all.ask(text, true)
		}
		all.await(protocol.TypeSettled) // a bookmark comes before it
		for _, text := range refused {
			all.ask(text, false)
		}
		some := m.dial(url, "changes", "none")
		for _, text := range followed {
			some.ask(text, true)
		}
		resumed := some.ask(
			`{"type":"second:data:subscribe","requestId":"r","collection":"c","cursor":"`+*m.cursor+`"}`, true,
		)
		require.True(t, resumed.Resumed)
		b.loseNext()
		some.ask(`{"type":"second:data:insert","requestId":"r","collection":"c","data":{}}`, true)
		all.await(protocol.TypeReset)
		last = all
	})
	last.T = t
	last.await(protocol.TypeGoAway) // the gateway of the conversation has stopped

	want := []string{"second:data:later-response refused", "later-response refused"}
	for _, r := range []protocol.Type{
		protocol.TypeWelcome, protocol.TypeChange, protocol.TypeBookmark, protocol.TypeSettled, protocol.TypeReset,
		protocol.TypeGoAway, protocol.TypeError,
	} {
		want = append(want, string(r))
	}
	for r := range requestShapes {
		want = append(want, string(r+protocol.ResponseSuffix), string(r+protocol.ResponseSuffix)+" refused")
		if (&protocol.Request{Type: r}).Writes() {
			want = append(want, string(r+protocol.ResponseSuffix)+" replayed")
		}
	}
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(m.met)))
	t.Logf("messages met: %v; %d damaged ones were refused", m.met, broken)
	require.Greater(t, broken, 3000)
}

var requestShapes = map[protocol.Type]bool{
	protocol.TypeList: true, protocol.TypeDoc: true, protocol.TypeInsert: true, protocol.TypeUpdate: true,
	protocol.TypeDelete: true, protocol.TypeUpsert: true, protocol.TypeBatch: true, protocol.TypeSubscribe: true,
	protocol.TypeUnsubscribe: true, protocol.TypePing: true, protocol.TypeAuthRefresh: true,
}
