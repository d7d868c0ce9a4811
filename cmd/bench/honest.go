package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
)

const (
	// honestClients ask at once, each of them once in honestPause.
	honestClients = 10
	honestPause   = 100 * time.Millisecond
	// honestTime is how long an honest client waits for an answer.
	honestTime = 15 * time.Second
)

// honest is a client that inserts over WebSocket and reads over REST in turn.
type honest struct {
	base   string
	socket *talker
}

// timings are of an honest client's requests, in ms.
type timings struct {
	p50, p99 float64
	errors   int
	first    error
}

// begin inserts the document that is read.
func (h *honest) begin() error {
	body := fmt.Sprintf(`{"collection":"c","docId":"read","data":%s}`, document(0))
	reply, err := client.Do(context.Background(), http.MethodPost, client.DataURL(h.base, scope, ""), body)
	if err == nil && reply.Status != http.StatusCreated {
		err = fmt.Errorf("insert: %d %s", reply.Status, reply.Body)
	}
	return err
}

// honestly has honest clients ask for a while.
func honestly(clients []*honest, length time.Duration) (t timings) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var took []float64
	for i, h := range clients {
		all.Go(func() {
			time.Sleep(time.Duration(i) * honestPause / honestClients)
			mine, errors, first := h.during(length)
			mu.Lock()
			defer mu.Unlock()
			took, t.errors, t.first = append(took, mine...), t.errors+errors, cmp.Or(t.first, first)
		})
	}
	all.Wait()
	slices.Sort(took)
	t.p50, t.p99 = took[len(took)/2], took[len(took)*99/100]
	return t
}

// during returns the time of each request, in ms. A request that takes longer than the pause stands
// for those that would have been sent meanwhile: else the slowest times had the fewest samples.
func (h *honest) during(length time.Duration) (took []float64, errors int, first error) {
	begin := time.Now()
	for n := 0; time.Since(begin) < length; n++ {
		ask := h.insert
		if n%2 == 1 {
			ask = h.read
		}
		sent := time.Now()
		if err := ask(); err != nil {
			errors, first = errors+1, cmp.Or(first, err)
		}
		whole := time.Since(sent)
		for rest := whole; rest > 0; rest -= honestPause {
			took = append(took, rest.Seconds()*1e3)
		}
		time.Sleep(honestPause - whole%honestPause)
	}
	return took, errors, first
}

// insert connects again after an error.
func (h *honest) insert() (err error) {
	if h.socket == nil {
		if h.socket, err = talkSocket(h.base, scope); err != nil {
			h.socket = nil
			return err
		}
	}
	_ = h.socket.conn.SetDeadline(time.Now().Add(honestTime))
	if err = h.socket.insertSocket(serial.Add(1)); err != nil && !strings.HasPrefix(err.Error(), "insert: ") {
		_ = h.socket.conn.Close()
		h.socket = nil
	}
	return err
}

func (h *honest) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), honestTime)
	defer cancel()
	address := client.DataURL(h.base, scope, "read", "collection", "c")
	reply, err := client.Do(ctx, http.MethodGet, address, "")
	if err == nil && reply.Status != http.StatusOK {
		err = fmt.Errorf("read: %d %s", reply.Status, reply.Body)
	}
	return err
}
