package postgres

import (
	"context"
	"net"
	"sync"
	"time"
)

// closeTime is how long the server has for its goodbyes when b closes.
const closeTime = time.Second

// lines are the TCP connections that pgx has: those of the pool, of LISTEN, and of requests to cancel. Each of them waits
// up to 15 s for a server that has gone silent, which must not keep a gateway from stopping.
type lines struct {
	net.Dialer

	mu   sync.Mutex
	cut  bool
	open map[*line]struct{}
}

type line struct {
	net.Conn
	of *lines
}

// dial is for pgconn.Config.DialFunc.
func (l *lines) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		conn.Close()
		return nil, net.ErrClosed
	}
	if l.open == nil {
		l.open = map[*line]struct{}{}
	}
	c := &line{conn, l}
	l.open[c] = struct{}{}
	return c, nil
}

func (c *line) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// hangUp ends them all, and every later one.
func (l *lines) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.open {
		c.Conn.Close()
	}
}
