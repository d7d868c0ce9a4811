package main

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// benchTrouble measures what clients in trouble cost the others: some stop reading, some read
// slowly, and a thousand come back at once.
func benchTrouble(p *plan) error {
	var calm, stalled, busy, storm series
	err := p.interleave(
		func() error { return p.stalled(&calm, &stalled) },
		func() error { return p.storm(&busy, &storm) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("%-68s p99, ms\n", "Clients in trouble: how late changes are for the others, "+p.over.name)
	fmt.Printf("  %-66s %s\n", fmt.Sprintf("a  200 subscribers, %d writes a second", troubleRate), calm)
	fmt.Printf("  %-66s %s\n", "b  the same, and 5 more that have stopped reading", stalled)
	fmt.Printf(
		"  %-66s %s\n", fmt.Sprintf("c  1,900 subscribers, %d writes a second: how late for 900", troubleRate),
		busy,
	)
	fmt.Printf("  %-66s %s\n", "d  the same, 100 read 64 KiB/s, the other 1,000 come back at once", storm)
	goal("p99 beside 5 stalled, b / a", stalled.over(calm), true, 1.5)
	goal("p99 in the storm, d / c", storm.over(busy), true, 2)
	fmt.Println()
	return nil
}

// troubleRate is how many writes a second there are: 75 KB for each subscriber, which is more than
// the slow read.
const troubleRate = 160

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

// small has the kernel buffer little for a client that does not read.
func small(conn net.Conn, err error) (net.Conn, error) {
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	}
	return conn, err
}

// storm measures 900 subscribers beside 1,000 in a process of their own: first while all of them
// read, then while 100 more read slowly and those 1,000 come back at once, with a cursor that is 2
// s old.
func (p *plan) storm(busy, storm *series) error {
	s, err := gatewaySource(p, "", bySocket, 900, 1, socketAt)
	if err != nil {
		return err
	}
	crowd, err := startCrowd()
	if err != nil {
		return errors.Join(err, s.end())
	}
	err = s.stormBy(crowd, 3*p.time, busy, storm)
	return errors.Join(err, crowd.end(), s.end())
}

func (s *source) stormBy(crowd *crowd, length time.Duration, busy, storm *series) error {
	address := func(parameters ...string) string { return socketURL(s.server.url, s.first, parameters...) }
	if err := crowd.say("come 1000 %s", address()); err != nil {
		return err
	}
	late, err := s.lateAt(troubleRate, length)
	if err != nil {
		return err
	}
	*busy = append(*busy, late)
	old, err := cursorNow(s.server.url, s.first)
	if err != nil {
		return err
	}
	if err := crowd.say("slow 100 %s", address()); err != nil {
		return err
	}
	sent := s.listeners.got.Load()
	again := make(chan error, 1)
	time.AfterFunc(2*time.Second, func() { again <- crowd.say("again 1000 %s", address("cursor", old)) })
	late, err = s.lateAt(troubleRate, length)
	*storm = append(*storm, late)
	sent = (s.listeners.got.Load() - sent) / int64(s.reach)
	return errors.Join(err, <-again, crowd.say("exact 1100 %d", sent))
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
