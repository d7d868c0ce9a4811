package socket_test

import (
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestNothingIsWrittenToAnotherDescriptor: a connection that has been closed writes no more, though
// the number of its descriptor is another's by now. It runs alone: another test might take the
// number.
func TestNothingIsWrittenToAnotherDescriptor(t *testing.T) {
	for range 20 {
		conn, _ := connect(t, socket.Options{Stall: time.Minute})
		var writing sync.WaitGroup
		for range 2 {
			writing.Go(func() {
				for err := error(nil); err == nil; {
					_, err = conn.TrySend(framed("mine"))
				}
			})
		}
		conn.CloseNow()
		near, far := pairs(t, 16)
		writing.Wait()
		_, err := conn.TrySend(framed("mine"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, conn.Send(framed("mine")), net.ErrClosed)
		for i := range near {
			require.NoError(t, syscall.Close(near[i]))
			buffer := make([]byte, 100)
			n, err := syscall.Read(far[i], buffer)
			require.NoError(t, err)
			require.Empty(t, buffer[:n])
			require.NoError(t, syscall.Close(far[i]))
		}
	}
}

// pairs opens pairs of sockets, one of which has the number of the descriptor that was closed last.
func pairs(t *testing.T, n int) (near, far []int) {
	t.Helper()
	for range n {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		near, far = append(near, pair[0]), append(far, pair[1])
	}
	return near, far
}
