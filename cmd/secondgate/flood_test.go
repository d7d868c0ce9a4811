package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// floodSize is how many lists are asked for and how many connections are opened.
func floodSize() (lists, dials int) {
	if testing.Short() { // the race detector makes each of them slow
		return 3_000, 500
	}
	return 10_000, 5_000
}

// leftovers are what a gateway must have none of once its clients are gone, beyond what it began
// with.
var leftovers = []string{
	"go_goroutines", "process_open_fds", "secondgate_subscriptions", "secondgate_requests_waiting",
	`secondgate_connections{door="socket"}`, `secondgate_connections{door="stream"}`, "secondgate_log_entries", "secondgate_log_bytes",
}

// TestFlood: a client that asks for 10,000 lists and reads none, and 5,000 connections that are
// opened and dropped at random while others write, leave nothing behind.
func TestFlood(t *testing.T) { inModes(t, flood) }

func flood(t *testing.T, flags ...string) {
	o := operate(t, nil, flags...)
	fill(t, o.url)
	o.becomes(`secondgate_connections{door="socket"}`, 0)
	before := map[string]float64{}
	for _, name := range leftovers {
		if !strings.HasPrefix(
			name, "secondgate_log",
		) { // the log of what filled the store is still there: none may be
			before[name] = o.metric(name)
		}
	}
	t.Run("lists", func(t *testing.T) { floodOfLists(t, o) })
	t.Run("dials", func(t *testing.T) { floodOfDials(t, o) })
	for _, name := range leftovers {
		if !eventually(func() bool { return o.metric(name) <= before[name] }) {
			_, stacks := o.get("/debug/pprof/goroutine?debug=1")
			require.Fail(
				t, "something was left behind", "%s was %v and is %v: %s", name, before[name], o.metric(name), stacks,
			)
		}
	}
	require.Zero(t, o.metric(`secondgate_errors_total{code="internal"}`))
}

// eventually tells whether it becomes so within the time that a log lingers, and some more.
func eventually(so func() bool) bool {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}

// fill stores what a list answers with: 200 KB.
func fill(t *testing.T, url string) {
	t.Helper()
	c, err := client.Dial(t.Context(), client.URL(url, demo, "changes", "none"))
	require.NoError(t, err)
	defer c.Close()
	for range 200 {
		m, err := c.Call(
			t.Context(),
			protocol.Request{
				Type: protocol.TypeInsert, Collection: "c",
				Data: []byte(`{"pad":"` + strings.Repeat("x", 1000) + `"}`),
			},
		)
		require.NoError(t, err)
		require.Nil(t, m.Error)
	}
}

// floodOfLists sends as much as is taken; the gateway stops reading long before the end, and holds
// little.
func floodOfLists(t *testing.T, o *operated) {
	lists, _ := floodSize()
	heap := o.heap()
	flooder, _, err := websocket.Dial(t.Context(), client.URL(o.url, demo), nil)
	require.NoError(t, err)
	sent := atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		request := []byte(
			`{"type":"second:data:list","requestId":"r","collection":"c","source":"` + strings.Repeat(
				"s", 2000,
			) + `"}`,
		)
		for range lists {
			if flooder.Write(context.Background(), websocket.MessageText, request) != nil {
				return
			}
			sent.Add(1)
		}
	}()
	last := int64(-1)
	require.Eventually(t, func() bool { // no more is taken
		now := sent.Load()
		stuck := now == last && now > 0
		last = now
		return stuck
	}, 30*time.Second, 500*time.Millisecond)
	require.Less(t, last, int64(lists), "the gateway read on without an answer being taken")
	require.LessOrEqual(t, o.metric("secondgate_requests_waiting"), 64.0)
	require.Less(t, o.heap()-heap, float64(8<<20))
	require.NoError(t, get(o.url), "others are served")
	t.Logf("%d lists were taken", last)
	_ = flooder.CloseNow()
	<-done
}

func get(url string) error {
	answer, err := http.Get(url + demoPath + "?collection=c&limit=1")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// floodOfDials opens sockets, streams and requests, and drops each after a random moment, often in
// the middle of the handshake, while a client writes and is answered.
func floodOfDials(t *testing.T, o *operated) {
	_, dials := floodSize()
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	written := 0
	writing.Go(func() {
		c, err := client.Dial(t.Context(), client.URL(o.url, demo))
		if err != nil {
			return
		}
		defer c.Close()
		for ctx.Err() == nil {
			m, err := c.Call(
				t.Context(), protocol.Request{Type: protocol.TypeInsert, Collection: "d", Data: []byte(`{"n":1}`)},
			)
			if err != nil || m.Error != nil {
				return
			}
			written++
		}
	})
	const seed = 7
	var dialing sync.WaitGroup
	for d := range 16 {
		dice := rand.New(rand.NewPCG(seed, uint64(d)))
		dialing.Go(func() {
			for range dials / 16 {
				dropOne(strings.TrimPrefix(o.url, "http://"), dice)
			}
		})
	}
	dialing.Wait()
	stop()
	writing.Wait()
	require.Positive(t, written, "nobody could write meanwhile")
	t.Logf("%d writes were answered meanwhile", written)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// dropOne opens a connection, sends all or a part of a request, reads a while or not at all, and
// drops it, in half of the cases by a reset.
func dropOne(address string, dice *rand.Rand) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return // the listener's queue may be full
	}
	defer conn.Close()
	if dice.IntN(2) == 0 {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	text := []string{
		"GET " + demoPath + "/socket HTTP/1.1\r\nHost: @\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET " + demoPath + "/socket?cursor=nonsense HTTP/1.1\r\nHost: @\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"GET " + demoPath + "/stream HTTP/1.1\r\nHost: @\r\n\r\n",
		"GET " + demoPath + "/stream?cursor=nonsense HTTP/1.1\r\nHost: @\r\n\r\n",
		"GET " + demoPath + "?collection=c HTTP/1.1\r\nHost: @\r\n\r\n",
		"POST " + demoPath + " HTTP/1.1\r\nHost: @\r\nContent-Length: 31\r\n\r\n{\"collection\":\"d\",\"data\":{}}   ",
	}[dice.IntN(6)]
	text = strings.ReplaceAll(text, "@", address)
	if dice.IntN(4) == 0 {
		text = text[:dice.IntN(len(text))]
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Duration(dice.IntN(30)) * time.Millisecond))
	_, _ = io.Copy(io.Discard, conn)
}
