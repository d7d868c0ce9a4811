package server

import (
	"net"
	"sync"

	"github.com/secondgate/secondgate/conformance/rule"
)

// Proxy forwards TCP connections until it is told not to.
type Proxy struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu     sync.Mutex
	flow   *sync.Cond
	frozen bool
	closed bool
	open   map[net.Conn]struct{}
}

// NewProxy listens on a port of its own and forwards to a port of this machine.
func NewProxy(t rule.T, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p := &Proxy{listener: l, to: to, open: map[net.Conn]struct{}{}}
	p.flow = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Port is where the proxy listens.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Freeze makes a black hole of it: connections are taken and stay open, and not a byte comes
// through, nor the news that the other end has gone.
func (p *Proxy) Freeze() { p.set(true) }

// Thaw lets everything flow again, what has been held up included.
func (p *Proxy) Thaw() { p.set(false) }

func (p *Proxy) set(frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = frozen
	p.flow.Broadcast()
}

// flows waits until bytes may pass; false: never again.
func (p *Proxy) flows() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !p.closed {
		p.flow.Wait()
	}
	return !p.closed
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.keep(near) {
			return
		}
		p.running.Go(func() { p.forward(near) })
	}
}

// keep has close close a connection.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	c.Close()
}

func (p *Proxy) forward(near net.Conn) {
	defer p.drop(near)
	if !p.flows() {
		return
	}
	far, err := net.Dial("tcp", p.to)
	if err != nil || !p.keep(far) {
		return
	}
	defer p.drop(far)
	var back sync.WaitGroup
	back.Go(func() { p.pump(near, far) })
	p.pump(far, near)
	back.Wait()
}

// pump copies one direction, and ends both when it ends.
func (p *Proxy) pump(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !p.flows() {
			return
		}
		if n > 0 {
			if _, e := to.Write(buffer[:n]); e != nil {
				err = e
			}
		}
		if err != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.flow.Broadcast()
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	p.listener.Close()
	p.running.Wait()
}
