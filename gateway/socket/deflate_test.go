package socket_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// rsv1 is the mark of a compressed message.
const rsv1 = 0x40

var compressing = socket.Options{ReadLimit: 1 << 20, Stall: time.Minute, Compression: true}

// deflated is text as a client would send it, compressed.
func deflated(text string) string {
	return strings.TrimSuffix(string(socket.Deflate(nil, []byte(text))), "\x00\x00\xff\xff")
}

// TestCompressionIsAgreedTo: to offers that the gateway's way fits, and to no other.
func TestCompressionIsAgreedTo(t *testing.T) {
	t.Parallel()
	for offers, agreed := range map[string]bool{
		"":                   false,
		"x-webkit-deflate":   false,
		"permessage-deflate": true,
		"permessage-deflate; client_max_window_bits":                                               true,
		"permessage-deflate; client_max_window_bits=9":                                             true,
		"Permessage-Deflate;server_no_context_takeover ; client_no_context_takeover":               true,
		`permessage-deflate; server_max_window_bits="15"`:                                          true,
		"permessage-deflate; server_max_window_bits=10":                                            false,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":                        true,
		"permessage-deflate; client_max_window_bits=16":                                            false,
		"permessage-deflate; client_max_window_bits=08":                                            false,
		"permessage-deflate; server_no_context_takeover=1":                                         false,
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover":               false,
		"permessage-deflate; unknown":                                                              false,
		"permessage-bzip2, permessage-deflate; client_no_context_takeover; client_max_window_bits": true,
	} {
		fields := "Sec-WebSocket-Extensions: " + offers + "\r\n"
		for o, wants := range map[socket.Options]bool{
			compressing:                              agreed,
			{ReadLimit: 1 << 20, Stall: time.Minute}: false,
			{ReadLimit: 1 << 20, Stall: time.Minute, Compression: true, Plain: true}: false,
		} {
			conn, err := net.Dial("tcp", receiveBy(t, o).address)
			require.NoError(t, err)
			_, header := shake(t, conn, fields, "")
			require.NoError(t, conn.Close())
			answer := ""
			if wants {
				answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
			}
			require.Equal(t, answer, header.Get("Sec-WebSocket-Extensions"), "%s %+v", offers, o)
		}
	}
}

// compressed is a connection on which compression was agreed to, and its peer.
func compressed(t *testing.T, early string) (*receiver, net.Conn, *peer) {
	t.Helper()
	r := receiveBy(t, compressing)
	conn, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	from, _ := shake(t, conn, "Sec-WebSocket-Extensions: permessage-deflate\r\n", early)
	return r, conn, &peer{conn, from}
}

// TestCompressedMessages: compressed and plain messages arrive as they were, whole or in fragments,
// however their bytes come, and control frames between them.
func TestCompressedMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("héllo, wörld ", 300)
	packed := deflated(long)
	bytes := string(frame(opText|rsv1, true, packed, key)) +
		string(frame(opText, true, "plain é", key)) +
		string(frame(opText|rsv1, false, packed[:5], key)) +
		string(frame(0x9, true, "ping", key)) +
		string(frame(0, true, packed[5:], key)) +
		string(frame(opText|rsv1, true, deflated(""), key)) +
		string(frame(opText, false, "two ", key)) + string(frame(0, true, "parts", key))
	for name, size := range map[string]int{"at once": len(bytes), "by bytes": 1, "by sevens": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			early := min(size, len(bytes))
			r, conn, _ := compressed(t, bytes[:early])
			for rest := bytes[early:]; rest != ""; {
				n := min(size, len(rest))
				_, err := io.WriteString(conn, rest[:n])
				require.NoError(t, err)
				rest = rest[n:]
			}
			for _, want := range []string{long, "plain é", long, "", "two parts"} {
				require.Equal(t, want, <-r.messages)
			}
		})
	}
}

// TestMarkedWithoutAgreement: a reserved bit that nothing has given a meaning ends the connection.
func TestMarkedWithoutAgreement(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"no agreement":   "",
		"a continuation": string(frame(opText|rsv1, false, deflated("x"), key)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, mark := receive(t), byte(opText|rsv1)
			var far *peer
			if begin != "" {
				var conn net.Conn
				r, conn, far = compressed(t, "")
				_, err := io.WriteString(conn, begin)
				require.NoError(t, err)
				mark = rsv1
			} else {
				conn, from := r.dial(t, "")
				far = &peer{conn, from}
			}
			_, err := far.Write(frame(mark, true, deflated("x"), key))
			require.NoError(t, err)
			opcode, payload, err := far.next()
			require.NoError(t, err)
			require.EqualValues(t, opClose, opcode)
			require.Equal(t, "\x03\xea", string(payload[:2])) // 1002
			require.Error(t, <-r.ended)
		})
	}
}

// TestInflate: what is longer than it may be, or is nothing, is an error; anything else comes out.
func TestInflate(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", strings.Repeat("0", 1<<20)} {
		inflater := socket.Inflate([]byte(deflated(text)), 1<<20)
		out, err := io.ReadAll(inflater)
		require.NoError(t, err)
		require.Equal(t, text, string(out))
		require.NoError(t, inflater.Close())
	}
	bomb := socket.Inflate([]byte(deflated(strings.Repeat("0", 1<<20+1))), 1<<20)
	_, err := io.ReadAll(bomb)
	require.ErrorIs(t, err, socket.ErrTooBig)
	require.NoError(t, bomb.Close())
	random := rand.NewChaCha8([32]byte{1})
	for range 1000 {
		noise := make([]byte, 1+random.Uint64()%64)
		_, _ = random.Read(noise)
		inflater := socket.Inflate(noise, 1<<20)
		if _, err := io.ReadAll(inflater); err != nil {
			require.ErrorIs(t, err, socket.ErrNotDeflate)
		}
		require.NoError(t, inflater.Close())
	}
}

// TestCompress: a library's client reads frames that were compressed once, several times; short and
// random ones stay as they are.
func TestCompress(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 4096)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(noise)
	same := []string{"short", fmt.Sprintf("%x", noise[:100])[:200], strings.ToValidUTF8(string(noise), "")}
	for _, text := range same {
		require.Equal(t, framed(text), socket.Compress(framed(text)))
	}
	server, accepted := acceptor(compressing)
	server.Start()
	t.Cleanup(server.Close)
	for range 2 {
		far, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{
			CompressionMode: websocket.CompressionContextTakeover,
		})
		require.NoError(t, err)
		far.SetReadLimit(1 << 20)
		conn := <-accepted
		require.True(t, conn.TakesCompressed())
		for _, n := range []int{300, 70_000, 300} {
			text := strings.Repeat(fmt.Sprintf("%d,", n), n/4)
			sent := later(func() error { return conn.Send(socket.Compress(framed(text))) })
			_, got, err := far.Read(context.Background())
			require.NoError(t, err)
			require.NoError(t, <-sent)
			require.Equal(t, text, string(got))
			require.Less(t, len(socket.Compress(framed(text))), len(text)/4)
		}
		_ = far.CloseNow()
		conn.CloseNow()
	}
}
