package main

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// network is what lies between a gateway and its database: it can be cut, and it can swallow what
// is sent, as a machine that lost its power or a firewall does that forgot a connection.
type network struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu     sync.Mutex
	lines  map[*line]struct{}
	silent bool
}

// line is one connection through the network.
type line struct {
	near, far net.Conn
	mu        sync.Mutex
	silent    bool // for good
}

func newNetwork(t *testing.T, target string) *network {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &network{listener: listener, target: target, lines: map[*line]struct{}{}}
	n.done.Go(n.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		n.cut()
		n.done.Wait()
	})
	return n
}

func (n *network) port() int { return n.listener.Addr().(*net.TCPAddr).Port }

// cut ends every connection.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for l := range n.lines {
		l.close()
	}
}

// swallow has nothing arrive any more, on connections that are open and on new ones, none of which
// is ever told.
func (n *network) swallow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = true
	for l := range n.lines {
		l.mute()
	}
}

// heal lets new connections through; those of before stay silent.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = false
}

func (n *network) accept() {
	for {
		near, err := n.listener.Accept()
		if err != nil {
			return // closed
		}
		n.done.Go(func() { n.connect(near) })
	}
}

func (n *network) connect(near net.Conn) {
	far, err := net.Dial("tcp", n.target)
	if err != nil {
		_ = near.Close()
		return
	}
	l := &line{near: near, far: far}
	n.mu.Lock()
	n.lines[l], l.silent = struct{}{}, n.silent
	n.mu.Unlock()
	n.done.Go(func() { l.pump(near, far) })
	l.pump(far, near) // a line stays until the end: one that is silent keeps its other half
}

func (l *line) mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = true
}

func (l *line) close() {
	_ = l.near.Close()
	_ = l.far.Close()
}

// pump carries one direction. A silent line takes bytes and does not tell of ends.
func (l *line) pump(to, from net.Conn) {
	_, _ = io.Copy(muffled{l, to}, from)
	l.mu.Lock()
	silent := l.silent
	l.mu.Unlock()
	if !silent {
		l.close()
	}
}

// muffled is one end of a line.
type muffled struct {
	*line
	to net.Conn
}

func (m muffled) Write(b []byte) (int, error) {
	m.mu.Lock()
	silent := m.silent
	m.mu.Unlock()
	if silent {
		return len(b), nil
	}
	return m.to.Write(b)
}
