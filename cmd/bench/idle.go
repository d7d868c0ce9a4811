package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// idlers is how many subscribe and hear nothing.
	idlers = 5000
	// settled is how long after handshakes their garbage has gone.
	settled = 10 * time.Second
)

// benchIdle measures the memory of a subscriber while nothing happens.
func benchIdle(p *plan) error {
	var raw, socket, events series
	err := p.interleave(
		func() error {
			return raw.idle(startRaw, bySocket, func(base string) string { return base })
		},
		func() error {
			return socket.idle(
				func() (*server, error) { return startServer(p) }, bySocket,
				func(base string) string { return socketURL(base, 0) },
			)
		},
		func() error {
			return events.idle(
				func() (*server, error) { return startServer(p) }, byStream,
				func(base string) string { return streamURL(base, 0) },
			)
		},
	)
	if err != nil {
		return err
	}
	fmt.Printf(
		"%-60s KiB of resident memory each\n", fmt.Sprintf("%d idle subscribers, %s", idlers, p.over.name),
	)
	fmt.Printf("  %-56s %s\n", "a  raw writer, which keeps a descriptor of each", raw)
	fmt.Printf("  %-56s %s\n", "b  the gateway, WebSocket", socket)
	fmt.Printf("  %-56s %s\n", "c  the gateway, SSE", events)
	goal("KiB each, WebSocket", socket, true, 9)
	goal("KiB each, SSE", events, true, 5.5)
	fmt.Println()
	return nil
}

// idle starts a server and measures what all subscribers but the first add to its memory. The first
// brings in parts of the program that nothing has used before, about 1 MiB.
func (s *series) idle(start func() (*server, error), by *way, address func(base string) string) error {
	server, err := start()
	if err != nil {
		return err
	}
	first, err := listen(by, 1, func(int) string { return address(server.url) })
	if err != nil {
		return errors.Join(err, server.stop())
	}
	defer first.close()
	time.Sleep(settled)
	before, err := resident(server.process())
	if err != nil {
		return errors.Join(err, server.stop())
	}
	l, err := listen(by, idlers, func(int) string { return address(server.url) })
	if err != nil {
		return errors.Join(err, server.stop())
	}
	time.Sleep(settled)
	after, err := resident(server.process())
	*s = append(*s, (after-before)/idlers)
	l.close()
	return errors.Join(err, server.stop())
}

// resident is the memory that a process keeps, in KiB (proc(5), status); NaN if the process is not
// known.
func resident(pid int) (float64, error) {
	if pid == 0 {
		return math.NaN(), nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	return float64(kib), err
}
