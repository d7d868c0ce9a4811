package socket_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestNothingThatCameWithTheHandshakeIsLost: of many connections, since what comes early goes one
// way or another by chance. Some of it is more than the library's reader has room for.
func TestNothingThatCameWithTheHandshakeIsLost(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		r := receiveBy(t, o)
		var asked sync.WaitGroup
		for i := range 60 {
			asked.Go(func() {
				text := fmt.Sprintf("message %d%s", i, strings.Repeat(".", 50*i))
				conn, from := r.dial(t, string(frame(opPing, true, "ping", key))+string(frame(opText, true, text, key)))
				p := &peer{conn, from}
				wantPong(t, p, "ping")
				_, err := p.Write(frame(opPing, true, "later", key))
				if err == nil {
					wantPong(t, p, "later")
				}
			})
		}
		came := map[string]bool{}
		for range 60 {
			text, _, _ := strings.Cut(<-r.messages, ".")
			came[text] = true
		}
		require.Len(t, came, 60)
		asked.Wait()
	})
}

// TestCompressionIsNotNegotiated: frames are made once for all, and a window would be 32 KiB for
// each connection.
func TestCompressionIsNotNegotiated(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		server, accepted := acceptor(o)
		server.Start()
		t.Cleanup(server.Close)
		far, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = far.Close() })
		from, fields := shake(
			t, far, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", "",
		)
		require.Empty(t, fields.Values("Sec-WebSocket-Extensions"))
		conn := <-accepted
		defer conn.CloseNow()
		text := strings.Repeat("a", 10_000)
		require.NoError(t, conn.Write([]byte(text)))
		(&peer{far, from}).wantTexts(t, text) // no reserved bit either
	})
}

// TestNothingIsTriedOverTLS: what a descriptor takes would be no record of TLS.
func TestNothingIsTriedOverTLS(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		server, accepted := acceptor(o)
		server.StartTLS()
		t.Cleanup(server.Close)
		far, err := tls.Dial(
			"tcp", server.Listener.Addr().String(),
			server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
		)
		require.NoError(t, err)
		t.Cleanup(func() { _ = far.Close() })
		from, _ := shake(t, far, "", "")
		conn := <-accepted
		defer conn.CloseNow()
		wantNoTries(t, conn, &peer{far, from})
	})
}

// TestNothingIsTriedOnAPlainConnection, whatever the system can do.
func TestNothingIsTriedOnAPlainConnection(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{Stall: time.Minute, Plain: true})
	wantNoTries(t, conn, p)
}

func wantNoTries(t *testing.T, conn *socket.Conn, p *peer) {
	t.Helper()
	require.False(t, conn.CanTry())
	for _, text := range []string{"a", strings.Repeat("b", 300), strings.Repeat("c", 100_000)} {
		progress, err := conn.TrySend(framed(text))
		require.NoError(t, err)
		require.Equal(t, socket.Busy, progress)
		progress, err = conn.TryPing()
		require.NoError(t, err)
		require.Equal(t, socket.Busy, progress)
		sent := later(func() error { return conn.Send(framed(text)) })
		p.wantTexts(t, text)
		require.NoError(t, <-sent)
		require.NoError(t, conn.Flush())
	}
}

func wantPong(t *testing.T, p *peer, text string) {
	opcode, payload, err := p.next()
	if err != nil || opcode != opPong || !bytes.Equal(payload, []byte(text)) {
		t.Errorf("%q, %v instead of a pong of %q", payload, err, text)
	}
}
