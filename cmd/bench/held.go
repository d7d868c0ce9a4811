package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
)

const (
	// askers is how many connections send a request at once and read nothing.
	askers = 32
	// heldTime is how long the most that is held is looked for.
	heldTime = 4 * time.Second
)

// demand is a request that makes the gateway hold as much as it can for the bytes that it is.
type demand struct {
	name string
	text string // over WebSocket; "" for REST
	// method and address are those over REST.
	method, address string
	body            string
}

// demands are the requests in the shape that has the worst ratio.
func demands(base string) []demand {
	patch := func(data string) string { return fmt.Sprintf(`{"collection":"small","data":%s}`, data) }
	large := strings.Repeat("x", 3*mebi/4)
	read := `{"type":"second:data:%s","requestId":"r","collection":"large"%s}`
	return []demand{
		{name: "list", text: fmt.Sprintf(read, "list", "")},
		{name: "doc of 1 MiB", text: fmt.Sprintf(read, "doc", `,"docId":"large0"`)},
		{name: "subscribe", text: fmt.Sprintf(read, "subscribe", "")},
		{name: "insert, one long text", text: insertOf(fmt.Sprintf(`{"text":%q}`, large))},
		{name: "insert, 80,000 fields", text: insertOf(fields(80_000))},
		{name: "insert of 4 MiB of [], refused", text: insertOf(
			`{"a":[` + strings.Repeat("[],", 1_390_000) + `0]}`)},
		{name: "update of 1 MiB by a field", text: fmt.Sprintf(
			read, "update", `,"docId":"large0","data":{"n":1}`)},
		{name: "upsert by filter, 64 members", text: upsertOf(fields(64))},
		{name: "batch, 1,000 updates of 1 MiB", text: sameBatch(1000, "large0")},
		{name: "batch, 12 updates of 1 MiB", text: sameBatch(12, "large0")},
		{name: "GET of 1 MiB", method: http.MethodGet,
			address: dataURL(base, "large0", "collection", "large")},
		{name: "GET of a list", method: http.MethodGet,
			address: dataURL(base, "", "collection", "large")},
		{name: "PATCH of 1 MiB by a field", method: http.MethodPatch, address: dataURL(base, "large0"),
			body: `{"collection":"large","data":{"n":1}}`},
		{name: "PATCH of 60,000 paths", method: http.MethodPatch, address: dataURL(base, "small0"),
			body: patch(paths(60_000, "deep.f"))},
	}
}

// benchHeld prints how many bytes each request makes the gateway hold for each byte that is sent.
func benchHeld(p *plan) error {
	fmt.Printf("%d connections send a request and read nothing for %v, %s\n", askers, heldTime, p.over.name)
	fmt.Printf("  %-32s %-12s %-12s %-14s %-16s %s\n", "", "bytes sent", "held, MiB", "held / sent",
		"resident, MiB", "resident / sent")
	for i := range demands("") {
		if err := p.demand(i); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

func (p *plan) demand(i int) error {
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	server, err := startServer(p, "--admin", admin)
	if err != nil {
		return err
	}
	d := demands(server.url)[i]
	if err := d.measure(server, admin); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", d.name, err), server.stop())
	}
	return server.stop()
}

func (d *demand) measure(server *server, admin string) error {
	if err := seedLarge(server.url); err != nil {
		return err
	}
	memory := watchMemory(server.process())
	defer memory.end()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &raid{ctx: ctx, base: server.url}
	base, most, sent := memory.now(), 0.0, 0
	for range askers {
		n, err := d.send(r)
		if err != nil {
			return err
		}
		sent += n
	}
	for begin := time.Now(); time.Since(begin) < heldTime; {
		held, err := heldBytes(admin)
		if err != nil {
			return err
		}
		most = max(most, held)
	}
	resident := memory.most() - base
	fmt.Printf("  %-32s %-12d %-12s %-14s %-16s %s\n", d.name, sent, digits(most/mebi),
		digits(most/float64(sent)), digits(resident), digits(resident*mebi/float64(sent)))
	return nil
}

// send sends the request from a connection of its own, without waiting until all of it is taken.
func (d *demand) send(r *raid) (bytes int, err error) {
	if d.text != "" {
		t, err := r.socket()
		if err != nil {
			return 0, err
		}
		go func() { _ = say(t.conn, d.text) }() // ends with r
		return len(d.text), nil
	}
	head := ""
	if d.body != "" {
		head = fmt.Sprintf("Content-Length: %d\r\n", len(d.body))
	}
	if len(d.body) > mebi/2 {
		go func() { _, _ = r.begin(d.method, d.address, head, d.body) }() // ends with r
	} else if _, err = r.begin(d.method, d.address, head, d.body); err != nil {
		return 0, err
	}
	return len(d.method) + len(d.address) + len(head) + len(d.body), nil
}

// heldBytes is secondgate_held_bytes.
func heldBytes(admin string) (held float64, err error) {
	reply, err := client.Do(context.Background(), http.MethodGet, "http://"+admin+"/metrics", "")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(reply.Body, "\nsecondgate_held_bytes ")
	_, err = fmt.Sscan(after, &held)
	return held, err
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
