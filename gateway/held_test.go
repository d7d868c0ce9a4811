package gateway_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// heldMost is what the gateway under attack may hold for its clients, in bytes.
	heldMost = 16 << 20
	// attackers each want mebibytes: together many times heldMost.
	attackers = 60
	// workTime is how often the honest client works: the model keeps all of history.
	workTime = 50 * time.Millisecond
)

// attacked is a gateway with little memory, and an honest client beside those that attack it.
type attacked struct {
	*testing.T
	url      string
	registry *prometheus.Registry
	honest   *client.Client
	most     int // what may be held
}

func attack(t *testing.T) *attacked {
	t.Helper()
	a := &attacked{T: t, registry: prometheus.NewRegistry(), most: heldMost}
	server := httptest.NewUnstartedServer(nil)
	// The kernel would take some MiB of what nobody reads, and the gateway hold nothing for so long.
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		_ = conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
		return ctx
	}
	a.url = serveOn(t, server, model.New(model.Options{PreImage: -1, Break: -1}), func(c *gateway.Config) {
		c.MemoryBytes, c.Stall, c.MessageTime = heldMost, 3*time.Second, 3*time.Second
		c.Metrics = metrics.New(a.registry)
	})
	honest, err := client.Dial(t.Context(), client.URL(a.url, protocol.Scope{Workspace: "w", App: "honest"}))
	require.NoError(t, err)
	t.Cleanup(honest.Cut)
	a.honest = honest
	return a
}

// held is how much the gateway says that it holds.
func (a *attacked) held() int {
	families, err := a.registry.Gather()
	require.NoError(a, err)
	for _, f := range families {
		if f.GetName() == "secondgate_held_bytes" {
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	a.Fatal("there is no secondgate_held_bytes")
	return 0
}

// works has the honest client write and read, and looks that no more is held than may be. On a slow machine
// the attackers' requests before its own may take longer than a request waits: then it asks again, as it is told.
func (a *attacked) works() {
	a.Helper()
	id := rand.Text()
	for _, r := range []protocol.Request{
		{Type: protocol.TypeInsert, Collection: "c", DocID: id, Data: []byte(`{"n":1}`), MutationID: id},
		{Type: protocol.TypeDoc, Collection: "c", DocID: id},
		{Type: protocol.TypeList, Collection: "c", Limit: 3},
	} {
		m, err := a.honest.Call(a.Context(), r)
		for range 10 {
			if err != nil || m.Error == nil || m.Error.Code != protocol.CodeTimeout {
				break
			}
			m, err = a.honest.Call(a.Context(), r)
		}
		require.NoError(a, err)
		require.Nil(a, m.Error, "%s", r.Type)
	}
	require.LessOrEqual(a, a.held(), a.most)
}

// over waits until nothing is held for the attackers any more. The honest client works on.
func (a *attacked) over() {
	a.Helper()
	end := time.Now().Add(2 * time.Minute)
	for a.held() > 0 {
		require.Less(a, time.Now(), end, "%d bytes are still held", a.held())
		a.works()
		time.Sleep(workTime)
	}
}

// dial connects an attacker that sends text and never reads, and returns the connection.
func (a *attacked) dial(text string) net.Conn {
	a.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	require.NoError(a, err)
	a.Cleanup(func() { _ = conn.Close() })
	require.NoError(a, conn.(*net.TCPConn).SetReadBuffer(16<<10))
	go func() { _, _ = io.WriteString(conn, text) }() // ends with the connection
	return conn
}

// ends is what the gateway sends on each connection until it ends it. The honest client works on.
func (a *attacked) ends(all []net.Conn) (texts []string) {
	a.Helper()
	ended := make(chan string, len(all))
	for _, conn := range all {
		go func() {
			text, _ := io.ReadAll(conn)
			ended <- string(text)
		}()
	}
	for len(texts) < len(all) {
		select {
		case text := <-ended:
			texts = append(texts, text)
		case <-time.After(workTime):
			a.works()
		}
	}
	return texts
}

const evil = "/api/workspaces/w/apps/evil/data"

// TestHalfMessages: sockets that send half of a long message each, and then pings only, hold no
// more than the budget, and are closed with a reason.
func TestHalfMessages(t *testing.T) {
	t.Parallel()
	a := attack(t)
	open := fmt.Sprintf("GET %s/socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		evil, strings.TrimPrefix(a.url, "http://"))
	half := "\x01\xff" + string(binary.BigEndian.AppendUint64(nil, 1<<20)) + "\x00\x00\x00\x00" +
		strings.Repeat("x", 1<<20) // the first fragment of a message, unmasked by zeros
	var all []net.Conn
	for range attackers {
		all = append(all, a.dial(open+half))
	}
	for _, text := range a.ends(all) {
		require.Regexp(t, "a message must arrive within 3s|holds as much for its clients as it may", text)
	}
	a.over()
}

// TestHalfBodies is the same of REST.
func TestHalfBodies(t *testing.T) {
	t.Parallel()
	a := attack(t)
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n",
		evil, strings.TrimPrefix(a.url, "http://"), 3<<20) + strings.Repeat(" ", 1<<20)
	var all []net.Conn
	for range attackers {
		all = append(all, a.dial(request))
	}
	for _, text := range a.ends(all) {
		require.Regexp(t, "the body took longer than 10s|holds as much for its clients as it may", text)
	}
	a.over()
}

// TestUnreadAnswers: what nobody reads is dropped after the stall time, and all that is not read
// holds no more than the budget.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	a := attack(t)
	body := fmt.Sprintf(`{"collection":"c","docId":"d","data":{"pad":%q}}`, strings.Repeat("x", 1<<20-100))
	answer, err := http.Post(a.url+evil, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusCreated, answer.StatusCode)
	for name, request := range map[string]string{
		"document": "GET " + evil + "/d?collection=c HTTP/1.1\r\nHost: %s\r\n\r\n",
		"list":     "GET " + evil + "?collection=c HTTP/1.1\r\nHost: %s\r\n\r\n",
		"patched": "PATCH " + evil + "/d HTTP/1.1\r\nHost: %s\r\nContent-Length: 33\r\n\r\n" +
			`{"collection":"c","data":{"n":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := *a
			a.T = t
			if name == "patched" { // what a write answers with is there before it is counted
				a.most += attackers << 20
			}
			for range attackers {
				a.dial(fmt.Sprintf(request, strings.TrimPrefix(a.url, "http://")))
			}
			for end := time.Now().Add(2 * time.Minute); a.held() < 1<<20; { // one answer
				require.Less(t, time.Now(), end, "no answer is held")
				a.works()
				time.Sleep(workTime)
			}
			a.over()
		})
	}
}

// follower is a socket of the attackers' scope that follows what it subscribes to.
func (a *attacked) follower() *client.Client {
	a.Helper()
	scope := protocol.Scope{Workspace: "w", App: "evil"}
	follower, err := client.Dial(a.Context(), client.URL(a.url, scope, "changes", "none"))
	require.NoError(a, err)
	a.Cleanup(follower.Cut)
	return follower
}

// TestFollowedNamesAreHeld: what a socket follows counts.
func TestFollowedNamesAreHeld(t *testing.T) {
	t.Parallel()
	a := attack(t)
	follower := a.follower()
	follow := func(kind protocol.Type, i int) {
		name := fmt.Sprintf("%04d", i) + strings.Repeat("n", 4000)
		m, err := follower.Call(t.Context(), protocol.Request{Type: kind, Collection: name})
		require.NoError(t, err)
		require.Nil(t, m.Error)
	}
	for i := range 500 {
		follow(protocol.TypeSubscribe, i)
	}
	require.Greater(t, a.held(), 500*4000)
	for i := range 500 {
		follow(protocol.TypeUnsubscribe, i)
	}
	a.over()
}

// TestBatchBesideOthers: a batch of many operations does not wait until nobody else holds anything.
func TestBatchBesideOthers(t *testing.T) {
	t.Parallel()
	a := attack(t)
	follower := a.follower()
	for i := range 10 {
		name := fmt.Sprint(i) + strings.Repeat("n", 4000)
		_, err := follower.Call(t.Context(), protocol.Request{Type: protocol.TypeSubscribe, Collection: name})
		require.NoError(t, err)
	}
	require.Positive(t, a.held())
	batch := protocol.Request{Type: protocol.TypeBatch}
	for i := range 20 {
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: protocol.TypeInsert, Collection: "c", DocID: fmt.Sprint("d", i), Data: []byte(`{}`),
		})
	}
	m, err := a.honest.Call(t.Context(), batch)
	require.NoError(t, err)
	require.Nil(t, m.Error)
	require.Positive(t, a.held(), "it has waited until the other one was gone")
}
