package gateway_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between browsers and a gateway: it can be cut, held, and let at another gateway.
type proxy struct {
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	target  string
	open    map[net.Conn]struct{}
	gate    chan struct{} // not nil: what clients send waits for it to close
	waiting int           // so many wait
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, open: map[net.Conn]struct{}{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.release()
		p.cut()
		p.done.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// to has later connections go to that address.
func (p *proxy) to(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = address
}

// cut ends every connection at once, as a network that fails.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

// hold keeps back what clients send from now on, until release.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate != nil {
		close(p.gate)
		p.gate = nil
	}
}

// held is how many connections have sent something that is kept back.
func (p *proxy) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.done.Go(func() { p.pass(c) })
	}
}

// pass carries one connection until either side ends it.
func (p *proxy) pass(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.open[client] = struct{}{}
	p.mu.Unlock()
	p.done.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	_, _ = io.Copy(gated{p, server}, client)
	_ = server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, client)
}

// gated is a server's connection behind the gate.
type gated struct {
	p *proxy
	net.Conn
}

func (g gated) Write(b []byte) (int, error) {
	g.p.mu.Lock()
	gate := g.p.gate
	if gate != nil {
		g.p.waiting++
	}
	g.p.mu.Unlock()
	if gate != nil {
		<-gate
		g.p.mu.Lock()
		g.p.waiting--
		g.p.mu.Unlock()
	}
	return g.Conn.Write(b)
}
