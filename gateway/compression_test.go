package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// tapped is a connection whose received bytes are counted.
type tapped struct {
	net.Conn
	bytes *atomic.Int64
}

func (c tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

// follow reads a scope's socket until it has heard of a number of changes, and returns how many bytes
// came.
func (c *compressions) follow(mode websocket.CompressionMode) (bytes func(changes int) int64) {
	var received atomic.Int64
	dialer := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return tapped{conn, &received}, err
		},
	}}
	conn, _, err := websocket.Dial(c.Context(), client.URL(c.url, c.scope), &websocket.DialOptions{
		HTTPClient: dialer, CompressionMode: mode,
	})
	require.NoError(c, err)
	c.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	_, _, err = conn.Read(c.Context()) // the welcome
	require.NoError(c, err)
	before := received.Load()
	return func(changes int) int64 {
		for heard := 0; heard < changes; {
			_, text, err := conn.Read(c.Context())
			require.NoError(c, err)
			heard += strings.Count(string(text), `"second:data:change"`)
		}
		return received.Load() - before
	}
}

// compressions is a gateway that compresses.
type compressions struct {
	*testing.T
	url   string
	scope protocol.Scope
}

func newCompressions(t *testing.T, change ...func(*gateway.Config)) *compressions {
	return &compressions{
		t, serve(t, model.New(model.Options{PreImage: -1, Break: -1}), change...), protocol.Scope{Workspace: "w", App: "a"},
	}
}

// burst writes documents in one transaction.
func (c *compressions) burst(n int) {
	batch := protocol.Request{Type: protocol.TypeBatch}
	for i := range n {
		data := fmt.Appendf(
			nil,
			`{"name":"Ada %d","email":"ada%d@example.com","status":"open","score":%d}`,
			i,
			i,
			i,
		)
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: protocol.TypeInsert, Collection: "leads", DocID: fmt.Sprint("lead", i), Data: data,
		})
	}
	writer, err := client.Dial(c.Context(), client.URL(c.url, c.scope, "changes", "none"))
	require.NoError(c, err)
	defer writer.Cut()
	m, err := writer.Call(c.Context(), batch)
	require.NoError(c, err)
	require.Nil(c, m.Error)
}

// TestCompressedChanges: who offers compression gets the same changes in fewer bytes.
func TestCompressedChanges(t *testing.T) {
	t.Parallel()
	c := newCompressions(t)
	plain, packed := c.follow(websocket.CompressionDisabled), c.follow(websocket.CompressionNoContextTakeover)
	c.burst(50)
	whole, fewer := plain(50), packed(50)
	t.Logf("50 changes: %d bytes, compressed %d", whole, fewer)
	require.Less(t, fewer, whole*3/10)
}

// TestCompressionOff: nobody gets compressed messages from a gateway that is told so.
func TestCompressionOff(t *testing.T) {
	t.Parallel()
	c := newCompressions(t, func(c *gateway.Config) { c.Compression = gateway.CompressNothing })
	plain, packed := c.follow(websocket.CompressionDisabled), c.follow(websocket.CompressionNoContextTakeover)
	c.burst(50)
	require.Equal(t, plain(50), packed(50))
}

// TestCompressedRequests: a compressed request is carried out. One that grows beyond a frame's limit,
// or is no text, or not compressed at all, ends the connection as a plain one would.
func TestCompressedRequests(t *testing.T) {
	t.Parallel()
	c := newCompressions(t)
	request := `{"type":"second:data:insert","requestId":"r","collection":"c","docId":"%d","data":{"pad":%q}}`
	for name, wants := range map[string]struct {
		text string
		code websocket.StatusCode
	}{
		"carried out":   {fmt.Sprintf(request, 1, strings.Repeat("x", 100_000)), 0},
		"too large":     {fmt.Sprintf(request, 2, strings.Repeat("x", 64<<20)), websocket.StatusMessageTooBig},
		"not UTF-8":     {fmt.Sprintf(request, 3, "") + strings.Repeat("\xff", 1000), websocket.StatusInvalidFramePayloadData},
		"not a request": {strings.Repeat("x", 1000), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, _, err := websocket.Dial(
				t.Context(),
				client.URL(c.url, c.scope, "changes", "none"),
				&websocket.DialOptions{
					CompressionMode: websocket.CompressionNoContextTakeover,
				},
			)
			require.NoError(t, err)
			defer func() { _ = conn.CloseNow() }()
			_, _, err = conn.Read(t.Context())
			require.NoError(t, err)
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(wants.text)))
			conn.SetReadLimit(1 << 20)
			_, answer, err := conn.Read(t.Context())
			if wants.code != 0 {
				require.Equal(t, wants.code, websocket.CloseStatus(err))
				return
			}
			require.NoError(t, err)
			require.Equal(
				t,
				name != "carried out",
				strings.Contains(string(answer), `"error":`),
				"%.300s",
				answer,
			)
		})
	}
}

// TestNotCompressedAtAll: a message that is only marked as compressed.
func TestNotCompressedAtAll(t *testing.T) {
	t.Parallel()
	c := newCompressions(t)
	host := strings.TrimPrefix(c.url, "http://")
	conn, err := net.Dial("tcp", host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(
		conn,
		"GET %s/socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
			"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n\xc1\x84\x00\x00\x00\x00\xff\xff\xff\xff",
		evil,
		host,
	)
	require.NoError(t, err)
	from := bufio.NewReader(conn)
	answer, err := http.ReadResponse(from, nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	for text := ""; !strings.Contains(text, "\x03\xeathe message is not compressed as RFC 7692 says"); {
		b, err := from.ReadByte()
		require.NoError(t, err, "%q", text)
		text += string([]byte{b})
	}
}
