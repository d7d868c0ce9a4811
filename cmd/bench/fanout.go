package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
)

// subscribers is how many follow one scope.
const subscribers = 1000

// paced is how many writes a second make the 25,000 deliveries of the first figure.
const paced = 25

// source is a server under measurement, its subscribers, and how to have it tell them something.
type source struct {
	server    *server
	listeners *listeners
	send      func(n int) error // so many changes
	end       func() error
	cost      series // CPU-seconds per million deliveries
	most      series // deliveries/s
}

// benchFanout has 1,000 subscribers of one scope told of what is written, by the gateway and by the raw writer.
func benchFanout(p *plan) error {
	raw, err := rawSource()
	if err != nil {
		return err
	}
	ours, err := gatewaySource(p)
	if err != nil {
		return errors.Join(err, raw.end())
	}
	err = p.interleave(
		func() error { return raw.pace(p.time * 2) }, func() error { return ours.pace(p.time * 2) }, raw.ramp, ours.ramp,
	)
	if err := errors.Join(err, ours.end(), raw.end()); err != nil {
		return err
	}
	fmt.Printf("%d subscribers of one scope, documents of 300 bytes       CPU-s per million deliveries   most deliveries/s, p99 < 250 ms\n", subscribers)
	fmt.Printf("  %-56s %-30s %s\n", "a  raw writer, one write(2) per client and message", raw.cost, raw.most)
	fmt.Printf("  %-56s %-30s %s\n", "b  the gateway, WebSocket, SQLite FULL", ours.cost, ours.most)
	goal("CPU per million deliveries at 25k/s, b / a", ours.cost.over(raw.cost), true, 1.6)
	goal("most deliveries/s, b / a", ours.most.over(raw.most), false, 10)
	fmt.Println()
	return nil
}

// stamped is a document of about 300 bytes that says when it was written.
func stamped() string {
	return fmt.Sprintf(`{"at":"%d","text":"%s"}`, time.Now().UnixNano(), strings.Repeat("x", 260))
}

func rawSource() (*source, error) {
	server, err := startRaw()
	if err != nil {
		return nil, err
	}
	l, err := listen(server.url, subscribers)
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	writer, err := upgrade(server.url + "/write")
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	s := &source{server: server, listeners: l}
	s.send = func(n int) error {
		var lines strings.Builder
		for range n { // as long as a change of the gateway's
			fmt.Fprintf(&lines, `{"type":"second:data:change","collection":"c","operation":"insert","docId":"%024d","doc":{"_id":"%024d",%s,"_createdAt":"2026-11-24T00:00:00.000Z","_updatedAt":"2026-11-24T00:00:00.000Z","_rev":"%022d"}}`+"\n",
				n, n, strings.Trim(stamped(), "{}"), n)
		}
		_, err := io.WriteString(writer, lines.String())
		return err
	}
	s.end = func() error {
		l.close()
		_ = writer.Close()
		_ = server.command.Process.Kill() // it serves for ever
		_ = server.command.Wait()
		return nil
	}
	return s, nil
}

func gatewaySource(p *plan) (*source, error) {
	server, err := startServer(p)
	if err != nil {
		return nil, err
	}
	l, err := listen("http"+strings.TrimPrefix(client.URL(server.url, scope), "ws"), subscribers)
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	ctx := context.Background()
	writer, err := client.Dial(ctx, client.URL(server.url, scope, "changes", "none"))
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	go func() { // reads the answers until the end
		for err := error(nil); err == nil; {
			_, err = writer.NextFrame(ctx)
		}
	}()
	s := &source{server: server, listeners: l}
	s.send = func(n int) error {
		for range n {
			if err := writer.SendText(ctx, fmt.Appendf(nil, `{"type":"second:data:insert","requestId":"r","collection":"c","data":%s}`, stamped())); err != nil {
				return err
			}
		}
		return nil
	}
	s.end = func() error {
		writer.Cut()
		l.close()
		return server.stop()
	}
	return s, nil
}

// run sends at a rate for a while, in ticks of 10 ms and more, and waits until all has come.
func (s *source) run(rate int, length time.Duration) error {
	tick := max(10*time.Millisecond, time.Second/time.Duration(rate))
	want, sent := s.listeners.got.Load(), 0
	for begun := time.Now(); time.Since(begun) < length; {
		due := int(time.Since(begun).Seconds()*float64(rate)) + 1
		if err := s.send(due - sent); err != nil {
			return err
		}
		sent = due
		time.Sleep(time.Until(begun.Add(tick * time.Duration(time.Since(begun)/tick+1))))
	}
	return s.listeners.await(want + int64(sent)*subscribers)
}

// pace measures the CPU of 25,000 deliveries a second.
func (s *source) pace(length time.Duration) error {
	before, err := cpuOf(s.server.pid())
	if err != nil {
		return err
	}
	got := s.listeners.got.Load()
	if err := s.run(paced, length); err != nil {
		return err
	}
	after, err := cpuOf(s.server.pid())
	s.cost = append(s.cost, (after-before)/float64(s.listeners.got.Load()-got)*1e6)
	return err
}

// ramp raises the rate by half until changes come too late; the last rate before is the most.
func (s *source) ramp() error {
	best := 0
	for rate := paced; rate < 20_000; rate += max(rate/2, 1) {
		s.listeners.p99()
		begun := time.Now()
		if err := s.run(rate, 2*time.Second); err != nil {
			return err
		}
		// What was left when the last was sent counts too: the rate was not kept up with.
		if s.listeners.p99() > 250 || time.Since(begun) > 3*time.Second {
			break
		}
		best = rate
	}
	s.most = append(s.most, float64(best)*subscribers)
	return nil
}
