package postgres

import (
	"context"
	"net"
	"sync"
)

// trackedConns holds the TCP connections that pgx has opened: for the pool, for LISTEN, and to
// cancel requests. Each of them may wait up to 15 s for a server that has gone silent. Close must
// not wait so long.
type trackedConns struct {
	net.Dialer

	mu     sync.Mutex
	closed bool
	open   map[*trackedConn]struct{}
}

type trackedConn struct {
	net.Conn
	of *trackedConns
}

// dial is for pgconn.Config.DialFunc.
func (t *trackedConns) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	if t.open == nil {
		t.open = map[*trackedConn]struct{}{}
	}
	c := &trackedConn{conn, t}
	t.open[c] = struct{}{}
	return c, nil
}

func (c *trackedConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// closeAll closes all connections, and every one that is opened later.
func (t *trackedConns) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.open {
		c.Conn.Close()
	}
}
