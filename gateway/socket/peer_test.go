package socket_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

const opPong = 0xA

// bothWays runs a test for connections as they are and for plain ones.
func bothWays(t *testing.T, test func(t *testing.T, o socket.Options)) {
	for name, plain := range map[string]bool{"direct": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, socket.Options{ReadLimit: 1 << 20, Stall: time.Minute, Plain: plain})
		})
	}
}

// peer is the far end of a connection.
type peer struct {
	net.Conn
	from *bufio.Reader
}

// room is for how many bytes, about, the kernel takes for a peer that does not read. With less than
// a packet of the loopback everything would wait for timers.
const room = 128 << 10

// patience is after how long a peer that hears nothing fails.
const patience = time.Minute

// connect returns a connection that the gateway has accepted, and its peer.
func connect(t testing.TB, o socket.Options) (*socket.Conn, *peer) {
	t.Helper()
	server, accepted := acceptor(o)
	server.Start()
	t.Cleanup(server.Close)
	far, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = far.Close() })
	require.NoError(t, far.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, far.(*net.TCPConn).SetReadBuffer(room))
	from, _ := shake(t, far, "", "")
	conn := <-accepted
	t.Cleanup(conn.CloseNow)
	return conn, &peer{far, from}
}

// acceptor is a server whose handler returns at once, as the gateway's does.
func acceptor(o socket.Options) (*httptest.Server, <-chan *socket.Conn) {
	accepted := make(chan *socket.Conn, 1)
	return httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := socket.Accept(w, r, o); err == nil {
			accepted <- conn
		}
	})), accepted
}

// next reads a frame, and fails on one that no server may send: in part, with a reserved bit or
// masked, or with a length that has a shorter form.
func (p *peer) next() (opcode byte, payload []byte, err error) {
	var b [10]byte
	if _, err := io.ReadFull(p.from, b[:2]); err != nil {
		return 0, nil, err
	}
	size, least := uint64(b[1]), uint64(0)
	switch b[1] {
	case 126:
		_, err = io.ReadFull(p.from, b[2:4])
		size, least = uint64(binary.BigEndian.Uint16(b[2:])), 126
	case 127:
		_, err = io.ReadFull(p.from, b[2:10])
		size, least = binary.BigEndian.Uint64(b[2:]), 1<<16
	}
	if err != nil {
		return 0, nil, err
	}
	opcode = b[0] &^ 0x80
	if b[0]&0x80 == 0 || size < least || size > 32<<20 || b[1] >= 0x80 ||
		opcode > opText && opcode < opClose ||
		opcode > opPong {
		return 0, nil, fmt.Errorf("no frame begins with % x", b)
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(p.from, payload)
	return opcode, payload, err
}

// wantTexts reads these messages and nothing between them.
func (p *peer) wantTexts(t testing.TB, texts ...string) {
	t.Helper()
	for i, text := range texts {
		opcode, payload, err := p.next()
		require.NoError(t, err, "message %d", i)
		require.EqualValues(t, opText, opcode, "message %d", i)
		require.True(
			t,
			text == string(payload),
			"message %d is %.40q of %d bytes, not %.40q of %d",
			i,
			payload,
			len(payload),
			text,
			len(text),
		)
	}
}

// wantClose reads a close frame and answers it, or has it answered already; the connection then
// ends, and without a reset.
func (p *peer) wantClose(t testing.TB, code int, answered bool) {
	t.Helper()
	opcode, payload, err := p.next()
	require.NoError(t, err)
	require.EqualValues(t, opClose, opcode)
	require.Equal(t, code, int(binary.BigEndian.Uint16(payload)))
	if !answered {
		_, err = p.Write(frame(opClose, true, string(payload[:2]), key))
		require.NoError(t, err)
	}
	p.wantEnd(t)
}

func (p *peer) wantEnd(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(p.from)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// wantCut reads to the end. The system resets a connection that is closed before all was read that the
// peer had sent.
func (p *peer) wantCut(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(p.from)
	if !errors.Is(err, syscall.ECONNRESET) {
		require.NoError(t, err)
	}
	require.Empty(t, rest)
}

// framed is the frame of a text.
func framed(text string) []byte {
	return socket.Frame(append(make([]byte, socket.HeaderSpace, socket.HeaderSpace+len(text)), text...))
}

// soon fails if what takes no waiting waits: it may be wrong in a way that has it wait for ever.
func soon(t testing.TB, what func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		what()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		require.FailNow(t, "it waits")
	}
}

// later runs what may wait, and returns where its outcome will be.
func later(what func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- what() }()
	return done
}
