package socket_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

// TestSendingAPreparedFrameAllocatesNothing: no allocation for a follower. It does not run beside
// other tests, whose allocations would count.
func TestSendingAPreparedFrameAllocatesNothing(t *testing.T) {
	for name, size := range map[string]int{"short": 100, "longer": 300, "long": 100_000} {
		t.Run(name, func(t *testing.T) {
			conn, p := connect(t, socket.Options{Stall: time.Minute})
			message := framed(strings.Repeat("a", size))
			taken := make(chan struct{})
			go func() {
				defer close(taken)
				p.take(len(message), taken)
			}()
			require.Zero(t, testing.AllocsPerRun(500, func() {
				if err := conn.Send(message); err != nil {
					t.Fatal(err)
				}
				<-taken
			}), "Send")
			require.Zero(t, testing.AllocsPerRun(500, func() {
				if progress, err := conn.TrySend(message); err != nil || progress != socket.Whole {
					t.Fatal(progress, err)
				}
				<-taken
			}), "TrySend")
		})
	}
}

// take tells of each frame of this size, until the connection ends: what the kernel has no room for
// goes in part, and that costs a copy.
func (p *peer) take(size int, taken chan<- struct{}) {
	buffer := make([]byte, size)
	for {
		if _, err := io.ReadFull(p.from, buffer); err != nil {
			return
		}
		taken <- struct{}{}
	}
}
