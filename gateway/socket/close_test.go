package socket_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestNothingFollowsACloseFrame, though the connection stays open until the peer has answered it
// (RFC 6455 §5.5.1).
func TestNothingFollowsACloseFrame(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		conn, p := connect(t, o)
		closed := later(func() error { return conn.Close(socket.GoingAway, "bye") })
		opcode, payload, err := p.next()
		require.NoError(t, err)
		require.EqualValues(t, opClose, opcode)
		require.Equal(t, "\x03\xe9bye", string(payload))
		wantClosed(t, conn)

		if !o.Plain { // the library by itself ends the connection on a ping that it cannot answer
			_, err = p.Write(frame(opPing, true, "", key))
			require.NoError(t, err)
		}
		_, err = p.Write(frame(opClose, true, "\x03\xe9", key))
		require.NoError(t, err)
		p.wantEnd(t)
		require.NoError(t, <-closed)
		wantClosed(t, conn)
	})
}

// TestNothingFollowsTheAnswerToACloseFrame: the library sends it, from the reader's goroutine.
func TestNothingFollowsTheAnswerToACloseFrame(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		conn, p := connect(t, o)
		_, err := p.Write(frame(opClose, true, "\x03\xe9", key))
		require.NoError(t, err)
		_, err = conn.Read(context.Background())
		require.Error(t, err)
		wantClosed(t, conn)
		p.wantClose(t, socket.GoingAway, true)
	})
}

// TestCutEndsACloseUnderWay, though the peer owes the rest of a frame: the library waits for that.
func TestCutEndsACloseUnderWay(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		conn, p := connect(t, o)
		whole := frame(opText, true, "a message of which half comes", key)
		_, err := p.Write(whole[:len(whole)/2])
		require.NoError(t, err)
		_, _, err = conn.Next(context.Background())
		require.NoError(t, err)
		closed := later(func() error { return conn.Close(socket.GoingAway, "bye") })
		opcode, _, err := p.next()
		require.NoError(t, err)
		require.EqualValues(t, opClose, opcode)
		conn.Cut()
		<-closed
		p.wantCut(t)
	})
}

func wantClosed(t *testing.T, conn *socket.Conn) {
	t.Helper()
	message := framed("too late")
	require.ErrorIs(t, conn.Send(message), net.ErrClosed)
	require.ErrorIs(t, conn.Write([]byte("too late")), net.ErrClosed)
	progress, err := conn.TrySend(message)
	require.Equal(t, socket.Busy, progress)
	if conn.CanTry() {
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = conn.TryPing()
		require.ErrorIs(t, err, net.ErrClosed)
	}
}
