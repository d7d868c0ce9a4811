package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// world is a scope of its own in which one dimension grows.
type world struct {
	base  string
	scope protocol.Scope
	t     *talker
	conns []net.Conn
}

func newWorld(base string) (*world, error) {
	w := &world{base: base, scope: scopeOf(int(serial.Add(1)))}
	var err error
	w.t, err = talkSocket(base, w.scope)
	return w, err
}

func (w *world) close() {
	_ = w.t.conn.Close()
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// ask fails where the gateway refuses.
func (w *world) ask(text string) error {
	answer, err := w.t.ask(text)
	return errors.Join(err, refused(answer))
}

// get reads a whole answer over REST.
func (w *world) get(parameters ...string) error {
	address := client.DataURL(w.base, w.scope, "", parameters...)
	reply, err := client.Do(context.Background(), http.MethodGet, address, "")
	if err == nil && reply.Status != http.StatusOK {
		err = fmt.Errorf("get: %d %s", reply.Status, reply.Body)
	}
	return err
}

// patch merges data into the document d, which is made first where it is missing.
func (w *world) patch(data string) error {
	body := fmt.Sprintf(`{"collection":"c","data":%s}`, data)
	address := client.DataURL(w.base, w.scope, "d")
	reply, err := client.Do(context.Background(), http.MethodPatch, address, body)
	if err == nil && reply.Status == http.StatusNotFound {
		return errors.Join(post(w.base, w.scope, "c", "d", "{}"), w.patch(data))
	}
	if err == nil && reply.Status != http.StatusOK {
		err = fmt.Errorf("patch: %d %s", reply.Status, reply.Body)
	}
	return err
}

// many inserts documents into the collection many, up to a number.
func (w *world) many(from, to int) error { return seedCollection(w.base, w.scope, "many", from, to) }

func socketOf(base string, s protocol.Scope) string { return client.URL(base, s) }

// discard reads until the connection ends.
func discard(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
