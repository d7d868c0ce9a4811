package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// subscribers is how many follow.
const subscribers = 1000

// paced is how many writes a second make the 25,000 deliveries of the first figure.
const paced = 25

// source is a server under measurement, its subscribers, and a way to have it send them something.
type source struct {
	name      string
	server    *server
	listeners *listeners
	first     int               // the first of its scopes
	reach     int               // subscribers that get each change
	send      func(n int) error // so many changes
	end       func() error
	cost      series // CPU-seconds per million deliveries
	most      series // deliveries/s
}

// benchFanout sends what is written to 1,000 subscribers, by the gateway and by the raw writer.
func benchFanout(p *plan) error {
	sources, err := p.sources(
		rawSource,
		func(p *plan) (*source, error) { return socketSource(p, "b  the gateway, WebSocket") },
		func(p *plan) (*source, error) {
			return socketSource(p, "c  the same with --plain-sockets", "--plain-sockets")
		},
		func(p *plan) (*source, error) { return streamSource(p, "d  the gateway, SSE") },
		manyScopes, tenCollections,
	)
	if err != nil {
		return err
	}
	var measurements []func() error
	for _, s := range sources {
		measurements = append(measurements, func() error { return s.pace(p.time * 2) }, s.ramp)
	}
	err = p.interleave(measurements...)
	for _, s := range sources {
		err = errors.Join(err, s.end())
	}
	if err != nil {
		return err
	}
	if p.url != "" {
		sources[2].name = "c  the same again, since no flag changes it"
	}
	fmt.Printf(
		"%-58s CPU-s per million deliveries   most deliveries/s, p99 < 250 ms\n",
		fmt.Sprintf("%d subscribers, documents of 300 bytes, %s", subscribers, p.over.name),
	)
	for _, s := range sources {
		fmt.Printf("  %-56s %-30s %s\n", s.name, s.cost, s.most)
	}
	raw, ws, plain := sources[0], sources[1], sources[2]
	sse, scopes, collections := sources[3], sources[4], sources[5]
	goal("CPU per million deliveries at 25k/s, b / a", ws.cost.over(raw.cost), true, 1.2)
	goal("the same plain, c / a", plain.cost.over(raw.cost), true, 1.6)
	goal("the same by SSE, d / a", sse.cost.over(raw.cost), true, 1.2)
	goal("most deliveries/s, b / a", ws.most.over(raw.most), false, 10)
	goal("the same by SSE, d / a", sse.most.over(raw.most), false, 10)
	goal("100 scopes, e / b", scopes.most.over(ws.most), false, 0.5)
	goal("changes=none, f / b", collections.most.over(ws.most), false, 0.5)
	fmt.Println()
	return nil
}

// sources starts all of them, or none.
func (p *plan) sources(starts ...func(*plan) (*source, error)) (all []*source, err error) {
	for _, start := range starts {
		s, failed := start(p)
		if failed != nil {
			for _, begun := range all {
				failed = errors.Join(failed, begun.end())
			}
			return nil, failed
		}
		all = append(all, s)
	}
	return all, nil
}

// stamped is a document of about 300 bytes that says when it was written.
func stamped() string {
	return fmt.Sprintf(`{"at":"%d","text":"%s"}`, time.Now().UnixNano(), strings.Repeat("x", 260))
}

func rawSource(*plan) (*source, error) {
	server, err := startRaw()
	if err != nil {
		return nil, err
	}
	l, err := listen(bySocket, subscribers, func(int) string { return server.url })
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	writer, err := upgrade(server.url + "/write")
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	s := &source{
		name: "a  raw writer, one write(2) per client and message", server: server, listeners: l,
		reach: subscribers,
	}
	s.send = func(n int) error {
		var lines strings.Builder
		for range n { // as long as a change of the gateway's
			fmt.Fprintf(
				&lines,
				`{"type":"second:data:change","collection":"c","operation":"insert","docId":"%024d",`+
					`"doc":{"_id":"%024d",%s,"_createdAt":"2026-11-24T00:00:00.000Z",`+
					`"_updatedAt":"2026-11-24T00:00:00.000Z","_rev":"%022d"}}`+"\n",
				n, n, strings.Trim(stamped(), "{}"), n,
			)
		}
		_, err := io.WriteString(writer, lines.String())
		return err
	}
	s.end = func() error {
		l.close()
		return errors.Join(writer.Close(), server.stop())
	}
	return s, nil
}

// socketSource is one scope, followed whole over WebSocket.
func socketSource(p *plan, name string, flags ...string) (*source, error) {
	return gatewaySource(p, name, bySocket, subscribers, 1, socketAt, flags...)
}

func streamSource(p *plan, name string) (*source, error) {
	return gatewaySource(p, name, byStream, subscribers, 1, streamURL)
}

// manyScopes has ten subscribers in each of 100 scopes.
func manyScopes(p *plan) (*source, error) {
	return gatewaySource(p, "e  WebSocket, 100 scopes of 10 subscribers", bySocket, subscribers, 100, socketAt)
}

// tenCollections has every subscriber follow ten collections one by one; the writes go to the
// first.
func tenCollections(p *plan) (*source, error) {
	subscribing := &way{marker: bySocket.marker, pongs: true, open: func(address string) (net.Conn, error) {
		conn, err := upgrade(address)
		for i := 0; err == nil && i < 10; i++ {
			err = say(
				conn, fmt.Sprintf(`{"type":"second:data:subscribe","requestId":"%d","collection":"%c"}`, i, 'c'+i),
			)
		}
		return conn, err
	}}
	s, err := gatewaySource(
		p,
		"f  WebSocket, changes=none, 10 collections each",
		subscribing,
		subscribers,
		1,
		func(base string, i int) string {
			return socketURL(base, i, "changes", "none")
		},
	)
	time.Sleep(time.Second) // for the answers
	return s, err
}

// scopeOf is one of many scopes.
func scopeOf(i int) protocol.Scope {
	return protocol.Scope{Workspace: scope.Workspace, App: fmt.Sprint(scope.App, i)}
}

func socketURL(base string, i int, parameters ...string) string {
	return "http" + strings.TrimPrefix(client.URL(base, scopeOf(i), parameters...), "ws")
}

func socketAt(base string, i int) string { return socketURL(base, i) }

func streamURL(base string, i int) string {
	return strings.Replace(client.DataURL(base, scopeOf(i), ""), "/data?", "/data/stream?", 1)
}

// gatewaySource has n listeners, spread over the scopes. The writes go to the scopes in turn.
func gatewaySource(
	p *plan, name string, by *way, n, scopes int, address func(base string, scope int) string, flags ...string,
) (*source, error) {
	server, err := startServer(p, flags...)
	if err != nil {
		return nil, err
	}
	if slices.Contains(flags, "jwt") {
		if err := useToken(p, server); err != nil {
			return nil, errors.Join(err, server.stop())
		}
	}
	first := int(serial.Add(int64(scopes))) // a server that runs already has them all
	l, err := listen(by, n, func(i int) string { return address(server.url, first+i%scopes) })
	if err != nil {
		return nil, errors.Join(err, server.stop())
	}
	s := &source{name: name, server: server, listeners: l, reach: n / scopes, first: first}
	var writers []net.Conn
	for i := range scopes {
		writer, err := upgrade(socketURL(server.url, first+i, "changes", "none"))
		if err != nil {
			l.close()
			return nil, errors.Join(err, server.stop())
		}
		writers = append(writers, writer)
		l.keep(writer)
		go func() { _, _ = io.Copy(io.Discard, writer) }() // the answers, until the end
	}
	next := 0
	s.send = func(n int) error {
		for range n {
			next++
			if err := say(
				writers[next%scopes],
				fmt.Sprintf(`{"type":"second:data:insert","requestId":"r","collection":"c","data":%s}`, stamped()),
			); err != nil {
				return err
			}
		}
		return nil
	}
	s.end = func() error {
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
	return s.listeners.await(want + int64(sent*s.reach))
}

// pace measures the CPU of 25,000 deliveries a second, or of the writes that make as many where
// each reaches fewer.
func (s *source) pace(length time.Duration) error {
	before, err := s.server.cpu()
	if err != nil {
		return err
	}
	got := s.listeners.got.Load()
	if err := s.run(paced*subscribers/s.reach, length); err != nil {
		return err
	}
	after, err := s.server.cpu()
	s.cost = append(s.cost, (after-before)/float64(s.listeners.got.Load()-got)*1e6)
	return err
}

// ramp doubles the rate until changes come too late, and then halves the distance, as a ratio, to
// the last rate that they came in time at: three times, which leaves a tenth.
func (s *source) ramp() error {
	low, high := 0, 0
	for rate := paced * subscribers / s.reach; rate < 50_000 && high == 0; rate *= 2 {
		if err := s.step(rate, &low, &high); err != nil {
			return err
		}
	}
	for range 3 {
		if rate := int(math.Sqrt(float64(low * high))); rate > 0 {
			if err := s.step(rate, &low, &high); err != nil {
				return err
			}
		}
	}
	s.most = append(s.most, float64(low*s.reach))
	return nil
}

// step tries a rate. Changes left over when the last one was sent count too: the server did not
// keep up.
func (s *source) step(rate int, low, high *int) error {
	s.listeners.p99()
	begun := time.Now()
	err := s.run(rate, 2*time.Second)
	if errors.Is(err, errShort) {
		fmt.Fprintf(os.Stderr, "%s, %d writes/s: %v\n", s.name, rate, err)
		*high = rate
		return nil
	}
	if err != nil {
		return err
	}
	if s.listeners.p99() > 250 || time.Since(begun) > 3*time.Second {
		*high = rate
	} else {
		*low = rate
	}
	return nil
}
