package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// benchTrouble measures what clients in trouble cost the others: some that stop reading, some that read slowly, and a
// thousand that come back at once with an old cursor.
func benchTrouble(p *plan) error {
	var calm, stalled, busy, storm series
	err := p.interleave(
		func() error { return p.stalled(&calm, &stalled) },
		func() error { return p.storm(&busy, &storm) },
	)
	if err != nil {
		return err
	}
	fmt.Println("Clients in trouble: how late changes are for the others             p99, ms")
	fmt.Printf("  %-66s %s\n", "a  200 subscribers, 200 writes a second", calm)
	fmt.Printf("  %-66s %s\n", "b  the same, and 5 more that have stopped reading", stalled)
	fmt.Printf("  %-66s %s\n", "c  900 subscribers, 200 writes a second", busy)
	fmt.Printf("  %-66s %s\n", "d  the same, 100 that read 64 KiB/s, and 1,000 that come back at once", storm)
	goal("p99 beside 5 stalled, b / a", stalled.over(calm), true, 1.5)
	goal("p99 in the storm, d / c", storm.over(busy), true, 2)
	fmt.Println()
	return nil
}

// troubleRate is how many writes a second there are: 90 KB for each subscriber, more than the slow read.
const troubleRate = 200

func (p *plan) stalled(calm, stalled *series) error {
	s, err := gatewaySource(p, "", bySocket, 200, 1, socketAt)
	if err != nil {
		return err
	}
	late, err := s.lateAt(troubleRate, 3*p.time)
	if err != nil {
		return errors.Join(err, s.end())
	}
	*calm = append(*calm, late)
	for range 5 {
		conn, failed := small(upgrade(socketURL(s.server.url, s.first)))
		if err = errors.Join(err, failed); failed == nil {
			s.listeners.keep(conn)
		}
	}
	if err != nil {
		return errors.Join(err, s.end())
	}
	if err := s.run(troubleRate, 3*p.time); err != nil { // until the kernel takes no more for them
		return errors.Join(err, s.end())
	}
	late, err = s.lateAt(troubleRate, 3*p.time)
	*stalled = append(*stalled, late)
	return errors.Join(err, s.end())
}

// lateAt is the p99 of how late changes are at a rate, in ms.
func (s *source) lateAt(rate int, length time.Duration) (float64, error) {
	s.listeners.lateness()
	err := s.run(rate, length)
	_, p99 := s.listeners.lateness()
	return p99, err
}

// small has the kernel keep little for one who does not read.
func small(conn net.Conn, err error) (net.Conn, error) {
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	}
	return conn, err
}

func (p *plan) storm(busy, storm *series) error {
	s, err := gatewaySource(p, "", bySocket, 900, 1, socketAt)
	if err != nil {
		return err
	}
	late, err := s.lateAt(troubleRate, 3*p.time)
	if err != nil {
		return errors.Join(err, s.end())
	}
	*busy = append(*busy, late)
	old, err := cursorNow(s.server.url, s.first)
	if err != nil {
		return errors.Join(err, s.end())
	}
	l := &latecomers{}
	for range 100 {
		l.running.Go(func() { l.follow(socketURL(s.server.url, s.first), 6400) })
	}
	time.Sleep(100 * time.Millisecond)
	sent := s.listeners.got.Load()
	time.AfterFunc(2*time.Second, func() {
		for range 1000 {
			l.running.Go(func() { l.follow(socketURL(s.server.url, s.first, "cursor", old), 0) })
		}
	})
	late, err = s.lateAt(troubleRate, 3*p.time)
	*storm = append(*storm, late)
	sent = (s.listeners.got.Load() - sent) / int64(s.reach)
	err = errors.Join(err, l.exact(1100, sent))
	return errors.Join(err, s.end())
}

// cursorNow is the cursor of a bookmark.
func cursorNow(base string, i int) (string, error) {
	t, err := talkSocket(base, scopeOf(i))
	if err != nil {
		return "", err
	}
	defer func() { _ = t.conn.Close() }()
	if err := say(t.conn, `{"type":"second:data:list","requestId":"l","collection":"none"}`); err != nil {
		return "", err
	}
	return t.bookmark()
}

// latecomers count what they are told.
type latecomers struct {
	running sync.WaitGroup
	mu      sync.Mutex
	told    []int64
	conns   []net.Conn
	failed  error
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

// exact waits until n have been told everything, each the same number of changes.
func (l *latecomers) exact(n int, changes int64) error {
	defer func() {
		l.mu.Lock()
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
		l.running.Wait()
	}()
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
