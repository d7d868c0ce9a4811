package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

var scope = protocol.Scope{Workspace: "bench", App: "bench"}

// document is about 300 bytes.
func document(n int64) string {
	return fmt.Sprintf(`{"key":"k%d","n":%d,"text":%q}`, n, n, strings.Repeat("lorem ipsum ", 20))
}

// rate has many callers call f for a while; it tells calls a second and what one costs in CPU (µs) and allocations.
type rate struct{ perSecond, cpu, allocs series }

func (r *rate) measure(p *plan, used func() (float64, error), f func(caller int, n int64) error) error {
	var (
		callers sync.WaitGroup
		calls   atomic.Int64
		failed  atomic.Value
	)
	cpuBefore, err := used()
	if err != nil {
		return err
	}
	allocsBefore, begin := mallocs(), time.Now()
	for caller := range p.callers {
		callers.Go(func() {
			for time.Since(begin) < p.time && failed.Load() == nil {
				if err := f(caller, serial.Add(1)); err != nil {
					failed.Store(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	callers.Wait()
	took, allocs := time.Since(begin).Seconds(), mallocs()-allocsBefore
	cpuAfter, err := used()
	if e, _ := failed.Load().(error); e != nil || err != nil {
		return errors.Join(e, err)
	}
	n := float64(calls.Load())
	r.perSecond = append(r.perSecond, n/took)
	r.cpu = append(r.cpu, (cpuAfter-cpuBefore)/n*1e6)
	r.allocs = append(r.allocs, allocs/n)
	return nil
}

// serial makes ids and keys unique over all measurements.
var serial atomic.Int64

func own() (float64, error) { return cpu(), nil }

func benchWrites(p *plan) error {
	ctx := context.Background()
	floor, err := openPlain(ctx, p.file("plain"))
	if err != nil {
		return err
	}
	backend, err := sqlite.Open(ctx, sqlite.Options{Path: p.file("backend")})
	if err != nil {
		return err
	}
	stopFeed, err := drainFeed(ctx, backend)
	if err != nil {
		return err
	}
	server, err := startServer(p)
	if err != nil {
		return err
	}
	var a, b, c rate
	err = p.interleave(
		func() error {
			return a.measure(p, own, func(_ int, n int64) error { return floor.write(protocol.NewID(time.Now()), document(n)) })
		},
		func() error { return b.measure(p, own, func(_ int, n int64) error { return insert(ctx, backend, n) }) },
		func() error { return server.measure(p, &c) },
	)
	stopFeed()
	if err := errors.Join(err, server.stop(), backend.Close(), floor.close()); err != nil {
		return err
	}
	fmt.Println("Writes of 300 bytes                                          writes/s               CPU µs/write         allocations/write")
	for _, row := range []struct {
		name string
		r    rate
	}{
		{"a  plain table, grouped commits, no change log", a}, {"b  Backend.Write in-process, mutationId and feed on", b}, {"c  the same through WebSocket (CPU: the server's)", c},
	} {
		allocs := row.r.allocs.String()
		if row.name[0] == 'c' {
			allocs = "-" // those are the clients'
		}
		fmt.Printf("  %-56s %-22s %-20s %s\n", row.name, row.r.perSecond, row.r.cpu, allocs)
	}
	goal("server CPU per write, c / a", c.cpu.over(a.cpu), true, 6)
	goal("writes/s, b / a", b.perSecond.over(a.perSecond), false, 0.25)
	goal("writes/s, c / b", c.perSecond.over(b.perSecond), false, 0.6)
	fmt.Println()
	return nil
}

// insert is one write with everything on.
func insert(ctx context.Context, b backends.Backend, n int64) error {
	now := protocol.Millis(time.Now())
	data := []byte(document(n))
	_, err := backends.WriteOne(ctx, b, backends.Tx{
		Scope: scope, At: now, Mutation: fmt.Sprint("m", n), Digest: sha256.Sum256(data),
		Writes: []backends.Write{{Op: backends.Insert, Collection: "c", ID: protocol.NewID(now), Data: data}},
	})
	return err
}

// drainFeed reads the backend's feed, as a hub does.
func drainFeed(ctx context.Context, b backends.Backend) (stop func(), err error) {
	feed, err := b.Watch(ctx, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for err := error(nil); err == nil; {
			_, err = feed.Next(ctx)
		}
	}()
	return func() { cancel(); <-done; _ = feed.Close() }, nil
}

// ask sends a request and waits for its answer. It looks no closer than it must: on a small machine the clients compute
// beside the server.
func ask(ctx context.Context, c *client.Client, request []byte) error {
	if err := c.SendText(ctx, request); err != nil {
		return err
	}
	for {
		frame, err := c.NextFrame(ctx)
		if err != nil {
			return err
		}
		if bytes.Contains(frame, []byte(`"error":{`)) {
			return fmt.Errorf("insert: %s", frame)
		}
		if bytes.Contains(frame, []byte(`second:data:insert-response`)) {
			return nil
		}
	}
}

// measure writes through one WebSocket per caller.
func (s *server) measure(p *plan, r *rate) error {
	ctx := context.Background()
	clients := make([]*client.Client, p.callers)
	for i := range clients {
		var err error
		if clients[i], err = client.Dial(ctx, client.URL(s.url, scope, "changes", "none")); err != nil {
			return err
		}
		defer clients[i].Close()
	}
	return r.measure(p, s.cpu, func(caller int, n int64) error {
		return ask(ctx, clients[caller], fmt.Appendf(nil, `{"type":"second:data:insert","requestId":"%d","collection":"c","mutationId":"m%d","data":%s}`, n, n, document(n)))
	})
}
