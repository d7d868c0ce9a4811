package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// latencyRate is how many writes a second are followed to another client.
const latencyRate = 100

// benchLatency measures how long a write takes until another client sees it, beside a bare fsync of
// the same disk.
func benchLatency(p *plan) error {
	var sync, socket, events struct{ p50, p99 series }
	ws, err := gatewaySource(p, "", bySocket, 1, 1, socketAt)
	if err != nil {
		return err
	}
	sse, err := gatewaySource(p, "", byStream, 1, 1, streamURL)
	if err != nil {
		return errors.Join(err, ws.end())
	}
	followed := func(s *source, p50, p99 *series) error {
		s.listeners.lateness()
		if err := s.run(latencyRate, 2*p.time); err != nil {
			return err
		}
		a, b := s.listeners.lateness()
		*p50, *p99 = append(*p50, a), append(*p99, b)
		return nil
	}
	err = p.interleave(
		func() error { return fsyncs(p, &sync.p50, &sync.p99) },
		func() error { return followed(ws, &socket.p50, &socket.p99) },
		func() error { return followed(sse, &events.p50, &events.p99) },
	)
	if err := errors.Join(err, ws.end(), sse.end()); err != nil {
		return err
	}
	fmt.Printf(
		"%-60s p50, ms                p99, ms\n",
		fmt.Sprintf("%d writes a second, seen by another client, %s", latencyRate, p.over.name),
	)
	fmt.Printf("  %-56s %-22s %s\n", "a  4 KiB written and fsynced", sync.p50, sync.p99)
	fmt.Printf("  %-56s %-22s %s\n", "b  write -> seen, WebSocket", socket.p50, socket.p99)
	fmt.Printf("  %-56s %-22s %s\n", "c  write -> seen, SSE", events.p50, events.p99)
	goal("p50, WebSocket, (b - 1 ms) / a", socket.p50.less(1).over(sync.p50), true, 3)
	goal("p50, SSE, (c - 1 ms) / a", events.p50.less(1).over(sync.p50), true, 3)
	fmt.Println()
	return nil
}

// fsyncs measures how long it takes to have 4 KiB on the disk, at the same rate.
func fsyncs(p *plan, p50, p99 *series) error {
	file, err := os.Create(p.file("fsync"))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	page := make([]byte, 4<<10)
	var took []float64
	for begun := time.Now(); time.Since(begun) < p.time; time.Sleep(time.Second / latencyRate) {
		start := time.Now()
		if _, err := file.Write(page); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		took = append(took, time.Since(start).Seconds()*1e3)
	}
	slices.Sort(took)
	*p50, *p99 = append(*p50, took[len(took)/2]), append(*p99, took[len(took)*99/100])
	return nil
}
