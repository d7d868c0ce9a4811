package socket_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// numbered is one of a series of messages of about this size.
func numbered(number, size int) string { return strconv.Itoa(number) + strings.Repeat(".", size) }

// The kernel takes a long message in part when it is nearly full, a short one not at all.
const (
	short = 10
	long  = 10_000
)

// fill tries messages until the kernel takes no more, without waiting. It returns what the peer
// will get.
func fill(t *testing.T, conn *socket.Conn, size int) (texts []string) {
	t.Helper()
	soon(t, func() {
		progress := socket.Whole
		for progress == socket.Whole && len(texts) < 1_000_000 {
			text := numbered(len(texts), size)
			message := framed(text)
			var err error
			if progress, err = conn.TrySend(message); err != nil {
				t.Error(err)
				return
			}
			clear(message) // the buffer is the caller's again
			texts = append(texts, text)
		}
		if progress != socket.Begun {
			t.Errorf("the last progress is %v", progress)
		}
	})
	require.False(t, t.Failed())
	return texts
}

// wantBusy: nothing is taken, and nothing waits for that.
func wantBusy(t *testing.T, conn *socket.Conn) {
	t.Helper()
	message := framed("this is not to be sent")
	soon(t, func() {
		for range 1000 {
			progress, err := conn.TrySend(message)
			if pinged, pingErr := conn.TryPing(); err != nil || pingErr != nil || progress+pinged != socket.Busy {
				t.Errorf("%v, %v, %v, %v", progress, err, pinged, pingErr)
				return
			}
		}
	})
	require.False(t, t.Failed())
}

// TestTryNeverWaits: a peer that reads nothing has messages until the kernel is full, then one in
// part, whose rest is all that is kept for it, and then no more. When it reads again it has them
// all, and then others.
func TestTryNeverWaits(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"short": short, "long": long} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, p := connect(t, socket.Options{Stall: time.Minute})
			texts := fill(t, conn, size)
			held := conn.Held()
			require.Positive(t, held)
			require.LessOrEqual(t, held, len(framed(texts[len(texts)-1])))
			wantBusy(t, conn)
			require.Equal(t, held, conn.Held())

			flushed := later(conn.Flush)
			p.wantTexts(t, texts...)
			require.NoError(t, <-flushed)
			require.Zero(t, conn.Held())
			progress, err := conn.TrySend(framed("again"))
			require.NoError(t, err)
			require.Equal(t, socket.Whole, progress)
			p.wantTexts(t, "again")
		})
	}
}

// TestWhatATryHasBegunGoesFirst, whoever sends next and however.
func TestWhatATryHasBegunGoesFirst(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("l", 100_000)
	for name, send := range map[string]func(*socket.Conn) error{
		"Send":  func(conn *socket.Conn) error { return conn.Send(framed(text)) },
		"Write": func(conn *socket.Conn) error { return conn.Write([]byte(text)) },
		"Ping":  func(conn *socket.Conn) error { return conn.Ping() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, p := connect(t, socket.Options{Stall: time.Minute})
			texts := fill(t, conn, long)
			sent := later(func() error { return send(conn) })
			p.wantTexts(t, texts...)
			if name != "Ping" {
				p.wantTexts(t, text)
			} else {
				opcode, _, err := p.next()
				require.NoError(t, err)
				require.EqualValues(t, opPing, opcode)
			}
			require.NoError(t, <-sent)
		})
	}
}

// TestTryBesideASendThatWaitsIsBusy at once.
func TestTryBesideASendThatWaitsIsBusy(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{Stall: time.Minute})
	text := strings.Repeat("l", 4<<20) // more than the kernel takes
	sent := later(func() error { return conn.Send(framed(text)) })
	_, err := p.from.Peek(1)
	require.NoError(t, err) // it has begun
	wantBusy(t, conn)
	p.wantTexts(t, text)
	require.NoError(t, <-sent)
}

// TestTryBesideAFlushThatWaitsIsBusy, though nothing is left of what was begun but what the flush
// has taken.
func TestTryBesideAFlushThatWaitsIsBusy(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{Stall: time.Minute})
	text := begin(t, conn)
	flushed := later(conn.Flush)
	require.Eventually(t, conn.Writing, 10*time.Second, time.Millisecond)
	wantBusy(t, conn)
	p.wantTexts(t, text)
	require.NoError(t, <-flushed)
}

// TestTheKernelTakesLittleForAPeerThatDoesNotRead: by itself it takes some megabytes, for each.
func TestTheKernelTakesLittleForAPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	conn, _ := connect(t, socket.Options{Stall: time.Minute})
	var sent []byte
	for _, text := range fill(t, conn, long) {
		sent = append(sent, framed(text)...)
	}
	require.Less(t, len(sent)-conn.Held(), 1<<20)
}

// TestTriesOutliveTheDeadlineOfTheLastSend: net refuses to write at all once a deadline is over.
func TestTriesOutliveTheDeadlineOfTheLastSend(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{Stall: 500 * time.Millisecond})
	require.NoError(t, conn.Send(framed("sent")))
	time.Sleep(time.Second) // the deadline is over
	progress, err := conn.TrySend(framed("tried"))
	require.NoError(t, err)
	require.Equal(t, socket.Whole, progress)
	p.wantTexts(t, "sent", "tried")
}

// TestTryFailsOnceThePeerIsGone, and the reader is not needed to find out.
func TestTryFailsOnceThePeerIsGone(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{Stall: time.Minute})
	require.NoError(t, p.Close())
	message := framed("to nobody")
	require.Eventually(t, func() bool {
		_, err := conn.TrySend(message)
		return err != nil
	}, 10*time.Second, time.Millisecond)
}
