package main

import (
	"errors"
	"fmt"
)

// benchAudit measures what the audit trail costs: two gateways, each over a database of its own, one with
// rows of writes and one without.
func benchAudit(p *plan) error {
	off, err := startServer(p, "--audit", "off")
	if err != nil {
		return err
	}
	on, err := startServer(p, "--audit", "writes")
	if err != nil {
		return errors.Join(err, off.stop())
	}
	var socketOff, socketOn, restOff, restOn, pipeOff, pipeOn rate
	err = p.interleave(
		func() error { return off.measure(p, &socketOff, talkSocket, (*talker).insertSocket) },
		func() error { return on.measure(p, &socketOn, talkSocket, (*talker).insertSocket) },
		func() error { return off.measure(p, &restOff, talkREST, (*talker).insertREST) },
		func() error { return on.measure(p, &restOn, talkREST, (*talker).insertREST) },
		func() error { return off.pipeline(p, &pipeOff) },
		func() error { return on.pipeline(p, &pipeOn) },
	)
	if err := errors.Join(err, off.stop(), on.stop()); err != nil {
		return err
	}
	fmt.Printf("%-60s writes/s               CPU µs/write\n", "Audit: inserts of 300 bytes, "+p.over.name)
	for _, row := range []struct {
		name string
		r    rate
	}{
		{"WebSocket, --audit off", socketOff}, {"WebSocket, --audit writes", socketOn},
		{"REST, --audit off", restOff}, {"REST, --audit writes", restOn},
		{"one WebSocket, 64 in flight, --audit off", pipeOff}, {"one WebSocket, 64 in flight, --audit writes", pipeOn},
	} {
		fmt.Printf("  %-56s %-22s %s\n", row.name, row.r.perSecond, row.r.cpu)
	}
	goal("server CPU per write, WebSocket, on / off", socketOn.cpu.over(socketOff.cpu), true, 1.25)
	goal("server CPU per write, REST, on / off", restOn.cpu.over(restOff.cpu), true, 1.25)
	goal("server CPU per write, one WebSocket, on / off", pipeOn.cpu.over(pipeOff.cpu), true, 1.25)
	fmt.Println()
	return nil
}
