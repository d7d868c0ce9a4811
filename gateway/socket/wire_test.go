package socket_test

import (
	"bufio"
	"context"
	"errors"
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

// receiver serves one connection as the gateway does, and tells what it has read.
type receiver struct {
	address  string
	messages chan string
	ended    chan error // what Read said in the end, after Close has returned
}

func receive(t testing.TB) *receiver {
	t.Helper()
	return receiveBy(t, socket.Options{ReadLimit: 1 << 20, Stall: time.Minute})
}

func receiveBy(t testing.TB, o socket.Options) *receiver {
	t.Helper()
	r := &receiver{messages: make(chan string, 100), ended: make(chan error, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		conn, err := socket.Accept(w, q, o)
		if err != nil {
			r.ended <- err
			return
		}
		defer conn.CloseNow()
		for {
			message, err := conn.Read(context.Background())
			if err != nil {
				if errors.Is(err, socket.ErrNotUTF8) {
					_ = conn.Close(socket.InvalidText, "text must be UTF-8")
				}
				r.ended <- err
				return
			}
			r.messages <- string(message)
		}
	}))
	t.Cleanup(server.Close)
	r.address = server.Listener.Addr().String()
	return r
}

// dial sends the handshake and, in the same segment, what comes early; it returns what the server
// sends after its own.
func (r *receiver) dial(t testing.TB, early string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	from, _ := shake(t, conn, "", early)
	return conn, from
}

// shake sends the handshake, with further header fields, and what comes early; it returns what the
// server sends after its own, and that one's header fields.
func shake(t testing.TB, conn net.Conn, fields, early string) (*bufio.Reader, http.Header) {
	t.Helper()
	_, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n%s", fields, early)
	require.NoError(t, err)
	from := bufio.NewReader(conn)
	answer, err := http.ReadResponse(from, nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 101, answer.StatusCode)
	return from, answer.Header
}

var key = [4]byte{1, 2, 3, 0xFF}

// closeFrame is the server's close frame with a code and the reason that receive gives.
const closedAsInvalid = "\x88\x14\x03\xeftext must be UTF-8"

// The first bytes of a connection may come with its handshake, and go another way than the rest.
func TestTextWithTheHandshake(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		r := receiveBy(t, o)
		_, from := r.dial(
			t,
			string(
				frame(opText, true, "é", key),
			)+string(
				frame(opText, true, "\xff", key),
			)+string(
				frame(opClose, true, "", key),
			),
		)
		require.Equal(t, "é", <-r.messages)
		require.ErrorIs(t, <-r.ended, socket.ErrNotUTF8)
		sent, err := io.ReadAll(from)
		require.NoError(t, err)
		require.Equal(t, closedAsInvalid, string(sent))
	})
}

// A peer that has sent much behind its invalid text still learns why it is closed: no reset of the
// TCP connection takes the close frame away.
func TestCloseFrameOutlivesWhatComesBehind(t *testing.T) {
	t.Parallel()
	r := receive(t)
	conn, from := r.dial(t, "")
	go func() { // ends with the connection
		_, _ = conn.Write(frame(opText, false, "a\xc3\x28"+strings.Repeat("b", 100_000), key))
		for range 20 {
			_, _ = conn.Write(frame(opContinuation, false, strings.Repeat("\xff", 100_000), key))
		}
		_, _ = conn.Write(frame(opClose, true, "\x03\xe8", key))
	}()
	sent, err := io.ReadAll(from)
	require.NoError(t, err)
	require.Equal(t, closedAsInvalid, string(sent))
	require.ErrorIs(t, <-r.ended, socket.ErrNotUTF8)
}

// A peer whose text was refused and that says no more is dropped in the end.
func TestFarewellIsBounded(t *testing.T) {
	t.Parallel()
	r := receive(t)
	conn, _ := r.dial(t, "")
	_, err := conn.Write(frame(opText, true, "\xff and more, so that a part of the frame is left", key)[:20])
	require.NoError(t, err)
	select {
	case err := <-r.ended:
		require.ErrorIs(t, err, socket.ErrNotUTF8)
	case <-time.After(15 * time.Second):
		t.Fatal("it is not dropped")
	}
}

// BenchmarkRead is one message from the peer to the gateway.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
		for name, text := range map[string]string{
			"ascii": strings.Repeat("a", size), "greek": strings.Repeat("λ", size/2),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				r := receive(b)
				conn, _ := r.dial(b, "")
				sent := frame(opText, true, text, key)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					_, err := conn.Write(sent)
					require.NoError(b, err)
					<-r.messages
				}
				_ = conn.Close()
				<-r.ended
			})
		}
	}
}
