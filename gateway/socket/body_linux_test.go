package socket_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// body is a response and its peer, which has read the header.
type body struct {
	*socket.Response
	peer net.Conn
	from *bufio.Reader
	head []string // status line and header fields
}

// respond asks with a request line's last word and with bytes behind the request, and takes the
// response over.
func respond(t *testing.T, protocol, behind string, stall time.Duration) *body {
	t.Helper()
	responses := make(chan *socket.Response, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Add("Vary", "Origin")
		w.Header().Add("Vary", "Accept")
		responses <- socket.Respond(w, r, stall)
	}))
	t.Cleanup(server.Close)
	peer, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = peer.Close() })
	require.NoError(t, peer.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, peer.(*net.TCPConn).SetReadBuffer(room))
	_, err = fmt.Fprintf(peer, "GET / %s\r\nHost: x\r\n\r\n%s", protocol, behind)
	require.NoError(t, err)
	response := <-responses
	require.NotNil(t, response)
	t.Cleanup(response.Cut)
	b := &body{Response: response, peer: peer, from: bufio.NewReader(peer)}
	for line := ""; line != "\r\n"; {
		line, err = b.from.ReadString('\n')
		require.NoError(t, err)
		b.head = append(b.head, line)
	}
	return b
}

// fill is the same as that of messages.
func (b *body) fill(t *testing.T) (text string) {
	t.Helper()
	var all strings.Builder
	soon(t, func() {
		progress := socket.Whole
		for number := 0; progress == socket.Whole && number < 10_000; number++ {
			message := []byte(numbered(number, long))
			all.Write(message)
			var err error
			if progress, err = b.TrySend(message); err != nil {
				t.Error(err)
				return
			}
			clear(message)
		}
		if progress != socket.Begun {
			t.Errorf("the last progress is %v", progress)
		}
	})
	require.False(t, t.Failed())
	return all.String()
}

// wantBusy is the same as that of messages, too.
func (b *body) wantBusy(t *testing.T) {
	t.Helper()
	soon(t, func() {
		for range 1000 {
			if progress, err := b.TrySend([]byte("not to be sent")); progress != socket.Busy || err != nil {
				t.Error(progress, err)
				return
			}
		}
	})
}

// want reads just this.
func (b *body) want(t *testing.T, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(b.from, got)
	require.NoError(t, err)
	require.True(t, text == string(got))
}

// wantEnd: there is no more, and no reset.
func (b *body) wantEnd(t *testing.T) {
	t.Helper()
	rest, err := io.ReadAll(b.from)
	require.NoError(t, err)
	require.Empty(t, rest)
}
