package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// imported is how many documents an agent's burst has, importers how many calls of it are under way.
	imported, importers = 10_000, 16
)

// benchBurst measures how long a person's write takes until another client of the app sees it:
// idle, and while an agent imports documents into the same app.
func benchBurst(p *plan) error {
	s, err := gatewaySource(p, "", bySocket, 1, 1, socketAt)
	if err != nil {
		return err
	}
	scope := scopeOf(s.first)
	var idle, burst struct{ p50, p99, rate series }
	err = letImport(s.server.url, scope)
	if err == nil {
		err = p.interleave(
			func() error {
				s.listeners.lateness()
				if err := s.run(latencyRate, 2*p.time); err != nil {
					return err
				}
				a, b := s.listeners.lateness()
				idle.p50, idle.p99 = append(idle.p50, a), append(idle.p99, b)
				return nil
			},
			func() error {
				took, err := s.duringImport(scope)
				a, b := s.listeners.lateness()
				burst.p50, burst.p99 = append(burst.p50, a), append(burst.p99, b)
				burst.rate = append(burst.rate, imported/took)
				return err
			},
		)
	}
	if err := errors.Join(err, s.end()); err != nil {
		return err
	}
	fmt.Printf("%-60s p50, ms                p99, ms\n",
		fmt.Sprintf("%d writes a second of a person, seen by another, %s", latencyRate, p.over.name))
	fmt.Printf("  %-56s %-22s %s\n", "a  idle", idle.p50, idle.p99)
	fmt.Printf(
		"  %-56s %-22s %s\n",
		fmt.Sprintf("b  while an agent imports %d documents", imported),
		burst.p50,
		burst.p99,
	)
	fmt.Printf("  %-56s %s\n", "   documents a second that the agent imports", burst.rate)
	goal("p99, b / a", burst.p99.over(idle.p99), true, 2)
	fmt.Println()
	return nil
}

// letImport publishes an agents.json that lets an agent write.
func letImport(base string, s protocol.Scope) error {
	app := fmt.Sprintf("%s/api/workspaces/%s/apps/%s", base, s.Workspace, s.App)
	file := `{"agents":[{"id":"importer","dataCollections":["imported"]}]}`
	return errors.Join(ask("PATCH", app+"/agents", file), ask("POST", app+"/publish", "{}"))
}

// ask makes a request and wants it carried out.
func ask(method, url, body string) error {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := importing.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %d %s", method, url, reply.StatusCode, text)
	}
	return err
}

// importing keeps a connection for each call that is under way.
var importing = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: importers}}

// duringImport has a person write until an agent has imported its documents. It returns how long
// that took, in seconds.
func (s *source) duringImport(scope protocol.Scope) (took float64, err error) {
	s.listeners.lateness()
	want := s.listeners.got.Load() + imported
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- importAll(s.server.url, scope) }()
	for tick := time.NewTicker(time.Second / latencyRate); ; want++ {
		select {
		case err := <-done:
			tick.Stop()
			return time.Since(begun).Seconds(), errors.Join(err, s.listeners.await(want))
		case <-tick.C:
		}
		if err := s.send(1); err != nil {
			return 0, errors.Join(err, <-done)
		}
	}
}

// importAll has an agent insert its documents, one a call.
func importAll(base string, s protocol.Scope) error {
	body := fmt.Sprintf(`{"workspaceId":%q,"appId":%q,"agentId":"importer","collection":"imported",`+
		`"operation":"insert","data":{"text":%q}}`, s.Workspace, s.App, strings.Repeat("x", 260))
	var left atomic.Int64
	left.Store(imported)
	var agent errgroup.Group
	for range importers {
		agent.Go(func() error {
			for left.Add(-1) >= 0 {
				if err := ask("POST", base+"/api/internal/app-data-write", body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return agent.Wait()
}
