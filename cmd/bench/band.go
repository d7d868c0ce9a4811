package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
)

// band is the attackers. They run in a process of their own, as this binary with -be NAME, and with
// the least priority: what they compute themselves must not delay the honest client.
type band struct {
	command *exec.Cmd
	in      io.Closer
}

func startBand(attack, url string) (*band, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &band{command: exec.Command(self, "-be", attack, "-url", url)}
	b.command.Stderr = os.Stderr
	if b.in, err = b.command.StdinPipe(); err != nil {
		return nil, err
	}
	return b, b.command.Start()
}

func (b *band) end() error { return errors.Join(b.in.Close(), b.command.Wait()) }

// serveBand attacks until its standard input ends.
func serveBand(name, url string) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	for i := range attacks {
		if attacks[i].name != name {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		attacks[i].run(&raid{ctx: ctx, base: url})
		return nil
	}
	return fmt.Errorf("there is no attack %q", name)
}

// raid is one attack under way.
type raid struct {
	ctx  context.Context
	base string
}

// many has n attackers repeat an act until the attack is over. What fails is tried again: attackers
// are refused, and the gateway stops under them.
func (r *raid) many(n int, act func(i int) error) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for r.ctx.Err() == nil {
				if act(i) != nil {
					r.wait(100 * time.Millisecond)
				}
			}
		})
	}
	all.Wait()
}

func (r *raid) wait(d time.Duration) {
	select {
	case <-r.ctx.Done():
	case <-time.After(d):
	}
}

// socket is a connection that ends with the attack.
func (r *raid) socket() (*talker, error) {
	t, err := talkSocket(r.base, attacker)
	if err == nil {
		context.AfterFunc(r.ctx, func() { _ = t.conn.Close() })
	}
	return t, err
}

// begin sends an HTTP request whose answer nobody reads, on a connection that ends with the attack.
func (r *raid) begin(method, address, head, body string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := small(net.Dial("tcp", u.Host))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(r.ctx, func() { _ = conn.Close() })
	_, err = fmt.Fprintf(
		conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, u.RequestURI(), u.Host, head, body,
	)
	return conn, err
}

// held waits until the attack is over, and reads nothing.
func (r *raid) held(conn net.Conn) error {
	<-r.ctx.Done()
	return conn.Close()
}

func dataURL(base, docID string, parameters ...string) string {
	return client.DataURL(base, attacker, docID, parameters...)
}

// ask sends a request and waits for its answer, whatever that is.
func (t *talker) ask(text string) ([]byte, error) {
	if err := say(t.conn, text); err != nil {
		return nil, err
	}
	for {
		frame, err := t.frame()
		if err != nil || bytes.Contains(frame[:min(len(frame), 64)], []byte(`-response"`)) {
			return frame, err
		}
	}
}
