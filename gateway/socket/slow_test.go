package socket_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestPeerThatTakesNothingIsGivenUp after the stall time.
func TestPeerThatTakesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		o.Stall = time.Second
		conn, _ := connect(t, o)
		began := time.Now()
		sent := later(func() error { return conn.Send(framed(strings.Repeat("a", 4<<20))) })
		select {
		case err := <-sent:
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.GreaterOrEqual(t, time.Since(began), o.Stall)
		case <-time.After(20 * time.Second):
			require.FailNow(t, "it waits on")
		}
	})
}

// TestSlowPeerIsNotGivenUp: a message may take much longer than the stall time.
func TestSlowPeerIsNotGivenUp(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		o.Stall = 2 * time.Second
		conn, p := connect(t, o)
		began := time.Now()
		sent := later(func() error { return conn.Send(framed(strings.Repeat("a", 8<<20))) })
		part := make([]byte, 512<<10)
		for range 15 {
			_, err := io.ReadFull(p.from, part)
			require.NoError(t, err)
			time.Sleep(300 * time.Millisecond) // a slow network
		}
		go func() { _, _ = io.Copy(io.Discard, p.from) }() // ends with the connection
		require.NoError(t, <-sent)
		require.Greater(t, time.Since(began), o.Stall)
	})
}

// TestNothingFollowsHalfAMessage: a peer that reads again after it was given up gets no frame
// inside another.
func TestNothingFollowsHalfAMessage(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		o.Stall = time.Second
		conn, p := connect(t, o)
		message := framed(strings.Repeat("a", 4<<20))
		var err error
		soon(t, func() { err = conn.Send(message) })
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		came := make(chan string)
		go func() {
			all, _ := io.ReadAll(p.from)
			came <- string(all)
		}()
		require.Error(t, conn.Send(framed("b")))
		require.Error(t, conn.Ping())
		require.Error(t, conn.Flush())
		_, err = conn.TrySend(framed("b"))
		require.Equal(t, conn.CanTry(), err != nil)
		conn.CloseNow()
		got := <-came
		require.True(t, strings.HasPrefix(string(message), got), "it ends with %.40q", got[max(0, len(got)-40):])
	})
}

// TestSlowPeerMayPing: its pong waits for the message under way, however long that takes. The
// library by itself ends a connection after 5 s.
func TestSlowPeerMayPing(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{ReadLimit: 1 << 20, Stall: time.Minute})
	read := later(func() error {
		_, err := conn.Read(context.Background())
		return err
	})
	text := strings.Repeat("a", 4<<20)
	sent := later(func() error { return conn.Send(framed(text)) })
	_, err := p.from.Peek(1)
	require.NoError(t, err) // it has begun
	_, err = p.Write(frame(opPing, true, "slow", key))
	require.NoError(t, err)
	time.Sleep(7 * time.Second) // a slow network
	p.wantTexts(t, text)
	wantPong(t, p, "slow")
	require.NoError(t, <-sent)
	_, err = p.Write(frame(opText, true, "still here", key))
	require.NoError(t, err)
	require.NoError(t, <-read)
}
