package socket_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestResponseHasItsHeader under both versions, and ends with the connection.
func TestResponseHasItsHeader(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			b := respond(t, protocol, "", time.Minute)
			date, err := http.ParseTime(strings.TrimSpace(strings.TrimPrefix(b.head[3], "Date: ")))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), date, time.Minute)
			require.Equal(t, []string{
				"HTTP/1.1 200 OK\r\n", "Connection: close\r\n", "Content-Type: text/event-stream\r\n", b.head[3],
				"Vary: Origin\r\n", "Vary: Accept\r\n", "\r\n",
			}, b.head)
		})
	}
}

// TestResponseIsInOrder, whichever way its parts go and however slow the peer is.
func TestResponseIsInOrder(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "", time.Minute)
	_, err := b.Write([]byte("first"))
	require.NoError(t, err)
	b.want(t, "first")
	text := b.fill(t)
	b.wantBusy(t)
	behind := strings.Repeat("l", 1<<20)
	written := later(func() error {
		_, err := b.Write([]byte(behind))
		return err
	})
	b.want(t, text+behind)
	require.NoError(t, <-written)

	text = b.fill(t)
	flushed := later(b.Flush)
	b.want(t, text)
	require.NoError(t, <-flushed)
	progress, err := b.TrySend([]byte("last"))
	require.NoError(t, err)
	require.Equal(t, socket.Whole, progress)
	b.want(t, "last")
}

// TestTryWaitsForNoRoomAtAll: the kernel takes a single byte or nothing.
func TestTryWaitsForNoRoomAtAll(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "", time.Minute)
	text := strings.Repeat("t", 100_000)
	_, err := b.Write([]byte(text)) // most of what it takes
	require.NoError(t, err)
	tried := 0
	soon(t, func() {
		for progress := socket.Whole; progress == socket.Whole && err == nil; tried++ {
			progress, err = b.TrySend([]byte("."))
		}
	})
	require.NoError(t, err)
	b.wantBusy(t)
	flushed := later(b.Flush)
	b.want(t, text+strings.Repeat(".", tried))
	require.NoError(t, <-flushed)
}

// TestResponseIsBusyWhileAWriteWaits: a try is so at once.
func TestResponseIsBusyWhileAWriteWaits(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "", time.Minute)
	text := strings.Repeat("t", 4<<20)
	written := later(func() error {
		_, err := b.Write([]byte(text))
		return err
	})
	_, err := b.from.Peek(1)
	require.NoError(t, err)
	b.wantBusy(t)
	b.want(t, text)
	require.NoError(t, <-written)
}

// TestWaitReturnsWhenThePeerCloses, whatever it has sent before.
func TestWaitReturnsWhenThePeerCloses(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "behind", time.Minute)
	waited := later(func() error { b.Wait(); return nil })
	require.NoError(t, b.peer.(*net.TCPConn).SetWriteBuffer(room))
	_, err := io.WriteString(
		b.peer, strings.Repeat("nobody wants this", 300_000),
	) // more than the kernel takes by itself
	require.NoError(t, err)
	select {
	case <-waited:
		require.FailNow(t, "it returns before")
	default:
	}
	require.NoError(t, b.peer.Close())
	soon(t, func() { <-waited })
}

// TestWaitReturnsOnCut, by any goroutine.
func TestWaitReturnsOnCut(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "", time.Minute)
	waited := later(func() error { b.Wait(); return nil })
	b.Cut()
	soon(t, func() { <-waited })
	_, err := b.Write([]byte("too late"))
	require.Error(t, err)
}

// TestFinishLetsThePeerHaveEverything: it has sent what nobody wanted, and goes on with that; a
// connection that is closed with bytes unread is reset.
func TestFinishLetsThePeerHaveEverything(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "GET /again HTTP/1.1\r\nHost: x\r\n\r\n", time.Minute)
	text := strings.Repeat("t", 1<<20)
	served := later(func() error {
		_, err := b.Write([]byte(text))
		b.Finish()
		b.Wait()
		b.Cut()
		return err
	})
	go func() { // ends with the connection
		for err := error(nil); err == nil; {
			_, err = io.WriteString(b.peer, strings.Repeat("nobody wants this", 1000))
		}
	}()
	b.want(t, text)
	b.wantEnd(t)
	require.NoError(t, b.peer.Close())
	require.NoError(t, <-served)
}

// TestFinishWaitsForNobodyForLong: the peer has read the end and does not close.
func TestFinishWaitsForNobodyForLong(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "", time.Minute)
	waited := later(func() error { b.Wait(); return nil })
	b.Finish()
	b.wantEnd(t)
	soon(t, func() { <-waited })
}

// TestResponseGivesUpAPeerThatTakesNothing after the stall time, and then for good: what it reads
// later has no gap.
func TestResponseGivesUpAPeerThatTakesNothing(t *testing.T) {
	t.Parallel()
	b := respond(t, "HTTP/1.1", "", time.Second)
	text := strings.Repeat("t", 4<<20)
	var err error
	soon(t, func() { _, err = b.Write([]byte(text)) })
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	came := later(func() error {
		all, _ := io.ReadAll(b.from)
		if !strings.HasPrefix(text, string(all)) {
			return fmt.Errorf("the end is %.40q", all[max(0, len(all)-40):])
		}
		return nil
	})
	_, err = b.Write([]byte("behind"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = b.TrySend([]byte("behind"))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorIs(t, b.Flush(), os.ErrDeadlineExceeded)
	b.Finish()
	soon(t, b.Wait)
	require.NoError(t, <-came)
}
