package socket

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSilenceIsNotByTheWallClock: when a read began is kept without the date, so no step of the wall
// clock makes a peer seem silent.
func TestSilenceIsNotByTheWallClock(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	c := &wire{}
	c.take(here, time.Minute, true)
	require.Zero(t, c.silent())
	done := make(chan error, 1)
	go func() { _, err := c.receive(make([]byte, 1)); done <- err }()
	require.Eventually(t, func() bool { return c.asked.Load() != 0 }, time.Minute, time.Millisecond)
	require.Less(t, c.asked.Load(), int64(365*24*time.Hour), "it counts from the start of the process")
	require.Eventually(t, func() bool { return c.silent() > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, there.Close())
	require.Error(t, <-done)
	require.Zero(t, c.silent())
	require.NoError(t, here.Close())
}
