package main

import (
	"errors"
	"fmt"
)

// guarded are the same measurements of one gateway: that asks nobody, or for tokens.
type guarded struct {
	name           string
	server         *server // of the writes
	socket, stream *source
	near           *source // of the latency
	writes, posts  rate
	p50, p99       series
}

// benchAccess measures what it costs that tokens are asked for: fan-out, writes and latency with --auth jwt
// beside none, in turn.
func benchAccess(p *plan) (err error) {
	flags, err := byToken(p)
	if err != nil {
		return err
	}
	open, closed := &guarded{name: "none"}, &guarded{name: "jwt"}
	defer func() { err = errors.Join(err, open.end(), closed.end()) }()
	if err := errors.Join(open.start(p, nil), closed.start(p, flags)); err != nil {
		return err
	}
	measurements := []func() error{}
	for _, g := range []*guarded{open, closed} {
		measurements = append(measurements, g.measurements(p)...)
	}
	if err := p.interleave(measurements...); err != nil {
		return err
	}
	fmt.Printf("%-40s %-28s --auth jwt\n", "Tokens asked for, "+p.over.name, "--auth none")
	for _, row := range []struct {
		name         string
		none, asking series
		most         float64
	}{
		{"CPU-s per million deliveries, WebSocket", open.socket.cost, closed.socket.cost, 1.05},
		{"CPU-s per million deliveries, SSE", open.stream.cost, closed.stream.cost, 1.05},
		{"CPU µs per write, WebSocket", open.writes.cpu, closed.writes.cpu, 1.25},
		{"CPU µs per write, REST", open.posts.cpu, closed.posts.cpu, 1.25},
		{"write -> seen, p50, ms", open.p50, closed.p50, 1.25},
	} {
		fmt.Printf("  %-42s %-28s %s\n", row.name, row.none, row.asking)
		goal("jwt / none", row.asking.over(row.none), true, row.most)
	}
	fmt.Printf("  %-42s %-28s %s\n", "write -> seen, p99, ms", open.p99, closed.p99)
	fmt.Printf("  %-42s %-28s %s\n", "writes/s, WebSocket", open.writes.perSecond, closed.writes.perSecond)
	fmt.Printf("  %-42s %-28s %s\n\n", "writes/s, REST", open.posts.perSecond, closed.posts.perSecond)
	return nil
}

// start starts a gateway for each kind of measurement.
func (g *guarded) start(p *plan, flags []string) (err error) {
	if g.server, err = startServer(p, flags...); err != nil {
		return err
	}
	if len(flags) > 0 {
		if err := useToken(p, g.server); err != nil {
			return err
		}
	}
	if g.socket, err = gatewaySource(p, g.name, bySocket, subscribers, 1, socketAt, flags...); err != nil {
		return err
	}
	if g.stream, err = gatewaySource(p, g.name, byStream, subscribers, 1, streamURL, flags...); err != nil {
		return err
	}
	g.near, err = gatewaySource(p, g.name, bySocket, 1, 1, socketAt, flags...)
	return err
}

func (g *guarded) measurements(p *plan) []func() error {
	return []func() error{
		func() error { return g.socket.pace(2 * p.time) },
		func() error { return g.stream.pace(2 * p.time) },
		func() error { return g.server.measure(p, &g.writes, talkSocket, (*talker).insertSocket) },
		func() error { return g.server.measure(p, &g.posts, talkREST, (*talker).insertREST) },
		func() error { return g.latency(p) },
	}
}

func (g *guarded) latency(p *plan) error {
	g.near.listeners.lateness()
	if err := g.near.run(latencyRate, 2*p.time); err != nil {
		return err
	}
	a, b := g.near.listeners.lateness()
	g.p50, g.p99 = append(g.p50, a), append(g.p99, b)
	return nil
}

// end ends what has begun.
func (g *guarded) end() (err error) {
	for _, s := range []*source{g.socket, g.stream, g.near} {
		if s != nil {
			err = errors.Join(err, s.end())
		}
	}
	if g.server != nil {
		err = errors.Join(err, g.server.stop())
	}
	return err
}
