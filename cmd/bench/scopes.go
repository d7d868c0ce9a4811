package main

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// benchScopes measures the cost of a write while other scopes are alive.
func benchScopes(p *plan) error {
	counts := []int{1, 10, 100, 1000}
	costs := make([]series, len(counts))
	var measurements []func() error
	for i, n := range counts {
		measurements = append(measurements, func() error { return p.amongScopes(n, &costs[i]) })
	}
	if err := p.interleave(measurements...); err != nil {
		return err
	}
	fmt.Printf("%-60s CPU µs/write\n", "One scope is written to, others are followed, "+p.over.name)
	for i, n := range counts {
		fmt.Printf("  %-56s %s\n", fmt.Sprintf("%d others", n), costs[i])
	}
	goal("1,000 others / one", costs[3].over(costs[0]), true, 1.1)
	goal("100 others / one", costs[2].over(costs[0]), true, 1.1)
	fmt.Println()
	return nil
}

// amongScopes writes with n other scopes followed, each by one subscriber.
func (p *plan) amongScopes(n int, cost *series) error {
	server, err := startServer(p)
	if err != nil {
		return err
	}
	var others []net.Conn
	for i := range n {
		conn, failed := upgrade(socketURL(server.url, 1+i))
		if failed != nil {
			return errors.Join(failed, server.stop())
		}
		others = append(others, conn)
	}
	time.Sleep(settled) // the garbage of the handshakes is no cost of a write
	var r rate
	err = server.measure(p, &r, talkSocket, (*talker).insertSocket)
	for _, c := range others {
		err = errors.Join(err, c.Close())
	}
	if err == nil {
		*cost = append(*cost, r.cpu...)
	}
	return errors.Join(err, server.stop())
}
