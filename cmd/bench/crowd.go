package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// crowd is the clients in trouble. It runs in a process of its own, as this binary with -crowd: in
// the process of the other clients, its garbage collections would delay them.
type crowd struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startCrowd() (*crowd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &crowd{command: exec.Command(self, "-crowd")}
	c.command.Stderr = os.Stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.command.Start()
}

// say has the crowd do something, and waits until it has, or cannot.
func (c *crowd) say(what string, arguments ...any) error {
	if _, err := fmt.Fprintf(c.in, what+"\n", arguments...); err != nil {
		return err
	}
	answer, err := c.out.ReadString('\n')
	if err == nil && answer != "done\n" {
		err = errors.New(strings.TrimSpace(answer))
	}
	return err
}

func (c *crowd) end() error { return errors.Join(c.in.Close(), c.command.Wait()) }

// serveCrowd carries out commands, a line each. "slow N ADDRESS" and "come N ADDRESS" have so many
// clients follow. "again N ADDRESS" has the first of them leave and come back. "exact N CHANGES"
// waits until they have received so many changes since.
func serveCrowd() error {
	first, l := &latecomers{}, &latecomers{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var what, address string
		var n int
		_, err := fmt.Sscan(lines.Text(), &what, &n, &address)
		switch what {
		case "slow":
			l.come(n, address, 6400)
			time.Sleep(100 * time.Millisecond)
		case "come":
			first.come(n, address, 0)
			err = first.connected(n)
		case "again":
			first.leave()
			l.come(n, address, 0)
		case "exact":
			var changes int64
			if _, err = fmt.Sscan(address, &changes); err == nil {
				err = l.exact(n, changes)
			}
		}
		if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("done")
		}
	}
	return nil
}

// latecomers count the changes that they receive.
type latecomers struct {
	running sync.WaitGroup
	mu      sync.Mutex
	told    []int64
	conns   []net.Conn
	failed  error
}

// leave ends all connections.
func (l *latecomers) leave() {
	l.mu.Lock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

// connected waits until n are.
func (l *latecomers) connected(n int) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		l.mu.Lock()
		connected, failed := len(l.conns), l.failed
		l.mu.Unlock()
		switch {
		case failed != nil:
			return failed
		case connected == n:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%d of %d have connected", connected, n)
		}
	}
}

// come has n clients follow.
func (l *latecomers) come(n int, address string, most int) {
	for range n {
		l.running.Go(func() { l.follow(address, most) })
	}
}

// follow reads until the connection ends, at most so many bytes in 100 ms (0: as many as come).
func (l *latecomers) follow(address string, most int) {
	conn, err := small(upgrade(address))
	l.mu.Lock()
	l.told = append(l.told, 0)
	me := len(l.told) - 1
	l.failed = errors.Join(l.failed, err)
	if err == nil {
		l.conns = append(l.conns, conn)
	}
	l.mu.Unlock()
	if err != nil {
		return
	}
	var from io.Reader = conn
	if most > 0 {
		from = &slowly{conn, most}
	}
	(&listeners{way: bySocket}).read(from, func(_ []byte, found int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told[me] += int64(found)
	})
}

// slowly reads at most so many bytes in 100 ms.
type slowly struct {
	io.Reader
	most int
}

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return s.Reader.Read(p[:min(len(p), s.most)])
}

// exact waits until n clients have received everything, each the same number of changes.
func (l *latecomers) exact(n int, changes int64) error {
	defer l.leave()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		l.mu.Lock()
		level, failed := 0, l.failed
		for _, told := range l.told {
			if told == changes {
				level++
			}
		}
		l.mu.Unlock()
		switch {
		case failed != nil:
			return failed
		case level == n:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%d of %d latecomers have been told all %d changes", level, n, changes)
		}
	}
}
