package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

const (
	stallers = 5
	// stallTime is how long a client may take no byte.
	stallTime = time.Minute
	// A burst is one batch. All of them together are more than a scope's log and the kernel's
	// buffers hold.
	burst     = 50
	bursts    = 25
	burstSize = 4000
)

var demo = protocol.Scope{Workspace: "demo", App: "demo"}

// reader is a client that counts the documents that it is told, and reads on only when it is let.
type reader struct {
	body io.Reader
	end  func()
	seen map[string]bool
	tail []byte
}

// smallWindow dials such that the kernel takes little for a client that does not read.
func smallWindow(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	}
	return conn, err
}

func openReader(t *testing.T, url, transport string) *reader {
	t.Helper()
	dialer := &http.Client{Transport: &http.Transport{DialContext: smallWindow}}
	if transport == "stream" {
		request, err := http.NewRequestWithContext(t.Context(), "GET", url+demoPath+"/stream", nil)
		require.NoError(t, err)
		answer, err := dialer.Do(request)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode)
		return &reader{body: answer.Body, end: func() { _ = answer.Body.Close() }, seen: map[string]bool{}}
	}
	conn, _, err := websocket.Dial(
		t.Context(), client.URL(url, demo), &websocket.DialOptions{HTTPClient: dialer},
	)
	require.NoError(t, err)
	conn.SetReadLimit(-1)
	return &reader{body: &frames{conn: conn}, end: func() { _ = conn.CloseNow() }, seen: map[string]bool{}}
}

// frames reads a socket's messages as one stream of bytes, and lists again when it is told to.
type frames struct {
	conn *websocket.Conn
	rest []byte
}

var nextPage = regexp.MustCompile(`"next":"([^"]+)"`)

func (f *frames) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		_, message, err := f.conn.Read(context.Background())
		if err != nil {
			return 0, err
		}
		f.rest = message
		if next := nextPage.FindSubmatch(message); next != nil {
			err = f.list(`,"after":"` + string(next[1]) + `"`)
		} else if bytes.Contains(message, []byte(`"second:data:reset"`)) {
			err = f.list("")
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *frames) list(after string) error {
	return f.conn.Write(
		context.Background(), websocket.MessageText,
		[]byte(`{"type":"second:data:list","requestId":"l","collection":"c"`+after+`}`),
	)
}

// until reads on until the reader has been told of so many documents.
func (r *reader) until(n int) error {
	buffer := make([]byte, 64<<10)
	for len(r.seen) < n {
		k, err := r.body.Read(buffer)
		r.tail = append(r.tail, buffer[:k]...)
		r.count()
		if err != nil {
			return fmt.Errorf("after %d of %d documents: %w", len(r.seen), n, err)
		}
	}
	return nil
}

// count looks for the documents' ids, which stand whole or not at all in what has come.
func (r *reader) count() {
	const mark, width = `{"_id":"burst-`, len(`{"_id":"burst-00-0000"`)
	for {
		i := bytes.Index(r.tail, []byte(mark))
		if i < 0 || len(r.tail) < i+width {
			r.tail = append(r.tail[:0], r.tail[max(0, i, len(r.tail)-width):]...)
			return // the rest of the next one is to come
		}
		r.seen[string(r.tail[i+len(mark):i+width-1])] = true
		r.tail = r.tail[i+width:]
	}
}

// writeBurst inserts documents in one batch.
func writeBurst(t *testing.T, c *client.Client, round int) {
	t.Helper()
	batch := protocol.Request{Type: protocol.TypeBatch}
	data := []byte(`{"pad":"` + strings.Repeat("x", burstSize) + `"}`)
	for i := range burst {
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: protocol.TypeInsert, Collection: "c", DocID: fmt.Sprintf("burst-%02d-%04d", round, i), Data: data,
		})
	}
	m, err := c.Call(t.Context(), batch)
	require.NoError(t, err)
	require.Nil(t, m.Error)
}

// heap is what the gateway holds after a collection, in bytes.
func (o *operated) heap() float64 {
	o.Helper()
	status, _ := o.get("/debug/pprof/heap?gc=1")
	require.Equal(o, 200, status)
	return o.metric("go_memstats_heap_alloc_bytes")
}

// TestStalledReaders: of many clients five stop reading; the others are told everything while they
// do, what the gateway holds for each of the five is below 1 MiB, and once they read on they are
// told everything too.
func TestStalledReaders(t *testing.T) { inModes(t, stalledReaders) }

func stalledReaders(t *testing.T, flags ...string) {
	for _, transport := range []string{"socket", "stream"} {
		if transport == "stream" && testing.Short() {
			t.Log("with the race detector a catch-up takes longer than a request may, which ends a stream")
			continue
		}
		t.Run(transport, func(t *testing.T) {
			o := operate(t, nil, flags...)
			readers := 40
			if testing.Short() { // the race detector makes each of them slow
				readers = 20
			}
			all := make([]*reader, readers+stallers)
			for i := range all {
				all[i] = openReader(t, o.url, transport)
				t.Cleanup(all[i].end)
			}
			writer, err := client.Dial(t.Context(), client.URL(o.url, demo, "changes", "none"))
			require.NoError(t, err)
			t.Cleanup(writer.Cut)
			n := 0
			rounds := func(who []*reader) {
				for range bursts {
					writeBurst(t, writer, n)
					n++
					readAll(t, who, n*burst)
				}
			}
			rounds(all) // fills the log that all share
			before := o.heap()
			stopped := time.Now()
			rounds(all[:readers]) // the five read none of it
			held := (o.heap() - before) / stallers
			t.Logf("held for each that stopped reading: %.0f KiB", held/1024)
			require.Less(t, held, float64(1<<20))
			require.Zero(t, o.metric(`secondgate_errors_total{code="internal"}`))

			if time.Since(stopped) > stallTime/2 {
				t.Log("this machine was so slow that the gateway may give the five up")
				return
			}
			readAll(t, all[readers:], n*burst)
		})
	}
}

// readAll has clients read until each has been told of so many documents.
func readAll(t *testing.T, who []*reader, n int) {
	t.Helper()
	failures := make(chan error, len(who))
	for _, r := range who {
		go func() { failures <- r.until(n) }()
	}
	for range who {
		require.NoError(t, <-failures)
	}
}
