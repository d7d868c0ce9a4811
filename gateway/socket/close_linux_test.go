package socket_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// begin tries a message of which the kernel takes but a part until the peer reads.
func begin(t *testing.T, conn *socket.Conn) (text string) {
	t.Helper()
	text = strings.Repeat("b", 4<<20)
	progress, err := conn.TrySend(framed(text))
	require.NoError(t, err)
	require.Equal(t, socket.Begun, progress)
	return text
}

// TestCloseLetsTheMessageUnderWayGo: what a try has begun is the peer's whole before the close
// frame is, though the peer reads only afterwards.
func TestCloseLetsTheMessageUnderWayGo(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{Stall: time.Minute})
	text := begin(t, conn)
	closed := later(func() error { return conn.Close(socket.GoingAway, "bye") })
	require.Eventually(
		t, conn.Writing, 10*time.Second, time.Millisecond,
	) // nobody else does: Close has been called
	p.wantTexts(t, text)
	p.wantClose(t, socket.GoingAway, false)
	require.NoError(t, <-closed)
}

// TestCloseOfThePeerLetsTheMessageUnderWayGo: the same when the peer has closed.
func TestCloseOfThePeerLetsTheMessageUnderWayGo(t *testing.T) {
	t.Parallel()
	conn, p := connect(t, socket.Options{ReadLimit: 1 << 20, Stall: time.Minute})
	text := begin(t, conn)
	read := later(func() error {
		_, err := conn.Read(context.Background())
		return err
	})
	_, err := p.Write(frame(opClose, true, "\x03\xe9", key))
	require.NoError(t, err)
	require.Eventually(t, conn.Writing, 10*time.Second, time.Millisecond) // the answer waits
	p.wantTexts(t, text)
	p.wantClose(t, socket.GoingAway, true)
	require.Error(t, <-read)
}
