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
	"github.com/secondgate/secondgate/protocol"
)

var scope = protocol.Scope{Workspace: "bench", App: "bench"}

// document is about 300 bytes.
func document(n int64) string {
	return fmt.Sprintf(`{"key":"k%d","n":%d,"text":%q}`, n, n, strings.Repeat("lorem ipsum ", 20))
}

// rate has many callers call f for a while. It returns calls a second, and the CPU (µs) and
// allocations of one call.
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
	floor, err := p.over.floor(ctx)
	if err != nil {
		return err
	}
	backend, err := p.over.fresh(ctx)
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
	var a, b, c, d, e rate
	err = p.interleave(
		func() error {
			return a.measure(p, own, func(_ int, n int64) error { return floor.insert(ctx, n) })
		},
		func() error { return b.measure(p, own, func(_ int, n int64) error { return insert(ctx, backend, n) }) },
		func() error { return server.measure(p, &c, talkSocket, (*talker).insertSocket) },
		func() error { return server.measure(p, &d, talkREST, (*talker).insertREST) },
		func() error { return server.pipeline(p, &e) },
	)
	stopFeed()
	if err := errors.Join(err, server.stop(), backend.Close(), floor.close()); err != nil {
		return err
	}
	fmt.Printf(
		"%-60s writes/s               CPU µs/write         allocations/write\n",
		"Writes of 300 bytes, "+p.over.name,
	)
	for _, row := range []struct {
		name string
		r    rate
	}{
		{floor.what, a}, {"b  Backend.Write in-process, mutationId and feed on", b},
		{
			"c  the same through WebSocket (CPU: the server's)", c,
		}, {"d  the same through REST (CPU: the server's)", d},
		{"e  one WebSocket, 64 in flight (CPU: the server's)", e},
	} {
		allocs := row.r.allocs.String()
		if row.name[0] >= 'c' {
			allocs = "-" // allocations would be the clients'
		}
		fmt.Printf("  %-56s %-22s %-20s %s\n", row.name, row.r.perSecond, row.r.cpu, allocs)
	}
	goal("writes/s, b / a", b.perSecond.over(a.perSecond), false, 0.25)
	goal("server CPU per write, WebSocket, c / a", c.cpu.over(a.cpu), true, 5)
	goal("server CPU per write, REST, d / a", d.cpu.over(a.cpu), true, 5)
	goal("writes/s, WebSocket, c / b", c.perSecond.over(b.perSecond), false, 0.7)
	goal("writes/s, REST, d / b", d.perSecond.over(b.perSecond), false, 0.7)
	goal("writes/s, one connection, e / c", e.perSecond.over(c.perSecond), false, 0.5)
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

// measure writes through one connection per caller.
func (s *server) measure(
	p *plan, r *rate, connect func(string, protocol.Scope) (*talker, error), insert func(*talker, int64) error,
) error {
	talkers := make([]*talker, p.callers)
	for i := range talkers {
		var err error
		if talkers[i], err = connect(s.url, scope); err != nil {
			return err
		}
		defer func() { _ = talkers[i].conn.Close() }()
	}
	return r.measure(p, s.cpu, func(caller int, n int64) error { return insert(talkers[caller], n) })
}

// inFlight is how many requests one connection has under way.
const inFlight = 64

// pipeline writes through one connection that does not wait for answers, and wants them in order.
func (s *server) pipeline(p *plan, r *rate) error {
	t, err := talkSocket(s.url, scope)
	if err != nil {
		return err
	}
	defer func() { _ = t.conn.Close() }()
	before, err := s.cpu()
	if err != nil {
		return err
	}
	sent, answered, begin := 0, 0, time.Now()
	for time.Since(begin) < p.time || answered < sent {
		for sent < answered+inFlight && time.Since(begin) < p.time {
			n := serial.Add(1)
			if err := say(
				t.conn, insertText(fmt.Sprint("r", sent, "."), fmt.Sprint("m", n), document(n)),
			); err != nil {
				return err
			}
			sent++
		}
		frame, err := t.answer()
		if err != nil {
			return err
		}
		for more := true; more; answered++ { // one frame may have many
			if !bytes.Contains(frame, fmt.Appendf(nil, `"r%d."`, answered)) {
				return fmt.Errorf("answer %d is not the next: %s", answered, frame)
			}
			more = answered+1 < sent && bytes.Contains(frame, fmt.Appendf(nil, `"r%d."`, answered+1))
		}
	}
	took := time.Since(begin).Seconds()
	after, err := s.cpu()
	r.perSecond = append(r.perSecond, float64(answered)/took)
	r.cpu = append(r.cpu, (after-before)/float64(answered)*1e6)
	r.allocs = append(r.allocs, 0)
	return err
}
