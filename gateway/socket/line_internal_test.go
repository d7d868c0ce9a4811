package socket

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deadlines is a connection whose peer takes everything; it keeps the deadlines that are set and
// when each write began.
type deadlines struct {
	net.Conn
	set    []time.Time
	begun  []time.Time
	latest []time.Time // the deadline of each write
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) {
	d.begun = append(d.begun, time.Now())
	d.latest = append(d.latest, d.set[len(d.set)-1])
	return len(b), nil
}

// TestDeadlinesAreSetWhenNeeded: many small writes share a deadline, and each of them has the stall
// time and at most a quarter more.
func TestDeadlinesAreSetWhenNeeded(t *testing.T) {
	t.Parallel()
	const stall, writes, pause = 400 * time.Millisecond, 50, 10 * time.Millisecond
	conn, l, began := &deadlines{}, &line{}, time.Now()
	l.take(conn, stall, true)
	for range writes {
		before := time.Now()
		require.NoError(t, l.send([]byte("a")))
		last := len(conn.latest) - 1
		require.False(t, conn.latest[last].Before(before.Add(stall)), "a write has less than the stall time")
		require.False(t, conn.latest[last].After(conn.begun[last].Add(stall+stall/4)), "a write has too long")
		time.Sleep(pause)
	}
	require.Greater(t, len(conn.set), 1, "it was extended")
	require.LessOrEqual(t, len(conn.set), 1+int(time.Since(began)/(stall/4)), "it was set before it was needed")
}
