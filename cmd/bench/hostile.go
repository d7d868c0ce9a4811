package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// calmTime is how long the honest client runs undisturbed.
	calmTime = 5 * time.Second
	// drainGoal is the time that a gateway has to answer what it was asked, and a second to end.
	drainGoal = 11 * time.Second
	// underAttack is how long an attack runs before the gateway is told to stop.
	underAttack = 3 * time.Second
)

var attacker = protocol.Scope{Workspace: "hostile", App: "hostile"}

// suffering is what one attack does to an honest client and to the gateway.
type suffering struct {
	calm, hurt       timings
	base, peak, late float64 // MiB of resident memory
	back             time.Duration
	stop             time.Duration
}

// benchHostile runs each attack beside honest clients in another scope.
func benchHostile(p *plan) error {
	fmt.Printf("Attacks of %v beside 10 honest clients, %s (calm | attacked)\n", p.attackTime, p.over.name)
	fmt.Printf("  memory is resident MiB: base, peak, and when it is back or %v after the attack\n", p.settle)
	fmt.Printf("  %-26s %-15s %-17s %-11s %-7s %-15s %-6s %-6s %s\n", "", "p50, ms", "p99, ms",
		"ratio p99", "errors", "memory", "back", "stop", "missed")
	for i := range attacks {
		a := &attacks[i]
		if p.attack != "" && p.attack != a.name {
			continue
		}
		s, err := p.suffer(a)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		s.print(a.name)
	}
	fmt.Println()
	return nil
}

// suffer measures one attack on a gateway of its own.
func (p *plan) suffer(a *attack) (s suffering, err error) {
	server, err := startServer(p)
	if err != nil {
		return s, err
	}
	if a.seed != nil {
		err = a.seed(server.url)
	}
	if err == nil {
		err = s.measure(p, a, server)
	}
	if err != nil {
		return s, errors.Join(err, server.stop())
	}
	return s, nil
}

func (s *suffering) measure(p *plan, a *attack, server *server) error {
	var clients []*honest
	for range honestClients {
		clients = append(clients, &honest{base: server.url})
	}
	if err := clients[0].begin(); err != nil {
		return err
	}
	honestly(clients, time.Second) // the first requests pay for what all use
	s.calm = honestly(clients, calmTime)
	memory := watchMemory(server.process())
	s.base = memory.now()
	band, err := startBand(a.name, server.url)
	if err != nil {
		return err
	}
	s.hurt = honestly(clients, p.attackTime)
	if err := band.end(); err != nil {
		return err
	}
	s.back, s.late = memory.await(s.base*1.2, p.settle)
	s.peak = memory.most() // what waited for room may get it when the attackers leave
	if band, err = startBand(a.name, server.url); err != nil {
		return err
	}
	time.Sleep(underAttack)
	begin := time.Now()
	err = server.stop()
	s.stop = time.Since(begin)
	memory.end()
	return errors.Join(err, band.end())
}

func (s *suffering) print(name string) {
	ratio := s.hurt.p99 / s.calm.p99
	var missed []string
	for what, is := range map[string]bool{
		"p99": ratio > 3, "errors": s.hurt.errors > 0,
		"memory": s.late > s.base*1.2, "stop": s.stop > drainGoal,
	} {
		if is {
			missed = append(missed, what)
		}
	}
	slices.Sort(missed)
	fmt.Printf("  %-26s %-15s %-17s %-11s %-7d %-15s %-6s %-6s %v\n", name,
		digits(s.calm.p50)+" | "+digits(s.hurt.p50), digits(s.calm.p99)+" | "+digits(s.hurt.p99),
		digits(ratio), s.hurt.errors, fmt.Sprintf("%.0f, %.0f, %.0f", s.base, s.peak, s.late),
		seconds(s.back), seconds(s.stop), missed)
	if s.hurt.first != nil {
		fmt.Printf("    the first error: %.150s\n", s.hurt.first.Error())
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
