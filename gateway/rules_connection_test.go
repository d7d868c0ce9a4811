package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// connectionRules are about who may connect, and when a connection ends.
var connectionRules = []gatewayRule{
	{
		ID:   "access/allowlists",
		Says: "only the exact hosts and origins of the allowlists are served",
		Check: func(r *trial) {
			r.serve()
			address := strings.TrimPrefix(r.url, "http://")
			for _, c := range []struct {
				host, origin string
				want         int
			}{
				{address, "", 101}, {address, r.url, 101}, {strings.ToUpper(address), "", 101},
				{"evil.example", "", 403}, {"evil.example", "http://evil.example", 403}, {address, "null", 403},
				{address, "http://evil.example", 403}, {address, "https://" + address, 403}, {
					address, r.url + ".evil.example", 403,
				},
				{"localhost", "", 403}, {address, r.url + "/", 403},
			} {
				r.must(
					r.upgrade(c.host, c.origin, "", "") == c.want, "host %q with origin %q did not answer %d", c.host,
					c.origin, c.want,
				)
			}
		},
	},
	{
		ID:   "slow/given-up",
		Says: "a peer that takes no byte for the stall time is dropped, and nobody else notices",
		Check: func(r *trial) {
			dropped := r.serveStalling("socket")
			stalled, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			require.NoError(r, err)
			defer func() { _ = stalled.Close() }()
			_, err = io.WriteString(stalled, handshake(r.url))
			require.NoError(r, err)
			p := r.dial()
			data := `{"pad":"` + strings.Repeat("x", 200_000) + `"}`
			for i := range 40 { // 8 MB: more than kernel buffers take
				p.do(
					protocol.Request{
						Type: protocol.TypeUpsert, Collection: "c", DocID: string(rune('a' + i%26)),
						Data: []byte(data),
					},
				)
			}
			dropped(1) // nothing is read meanwhile
			_ = stalled.SetReadDeadline(time.Now().Add(time.Minute))
			n, err := io.Copy(io.Discard, stalled)
			r.must(
				err == nil || strings.Contains(err.Error(), "reset"), "after %d bytes it was not dropped: %v", n, err,
			)
		},
	},
	{
		ID:   "liveness/silent",
		Says: "a peer that takes everything and answers no ping is dropped, one that answers is not",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.Stall, c.Heartbeat = 300*time.Millisecond, 100*time.Millisecond })
			lively := r.dial() // the library answers while it reads
			silent, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			require.NoError(r, err)
			defer func() { _ = silent.Close() }()
			_, err = io.WriteString(silent, handshake(r.url))
			require.NoError(r, err)
			_ = silent.SetReadDeadline(time.Now().Add(time.Minute))
			ended := make(chan error, 1)
			var heard bytes.Buffer
			go func() {
				_, err := io.Copy(&heard, silent)
				ended <- err
			}()
			for bookmarks := 0; bookmarks < 12; bookmarks++ { // 1.2 s: three times what is allowed
				lively.until(protocol.TypeBookmark)
			}
			err = <-ended
			r.must(err == nil || strings.Contains(err.Error(), "reset"), "it was not dropped: %v", err)
			r.must(bytes.Contains(heard.Bytes(), []byte{0x89, 0}), "it was never asked")
			r.must(bytes.Contains(heard.Bytes(), []byte(protocol.TypeBookmark)), "it was not served before")
		},
	},
	{
		ID:   "drain/goaway",
		Says: "a gateway that stops says so, answers what it was asked, and closes with 1001",
		Check: func(r *trial) {
			b := r.harness.Open(r)
			config := r.config()
			config.Hosts = []string{"gate.test"}
			g, err := gateway.New(r.ctx, b, config)
			require.NoError(r, err)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(r, err)
			server := &http.Server{Handler: hostAs("gate.test", g.Handler(nil)), ReadHeaderTimeout: time.Second}
			go func() { _ = server.Serve(listener) }()
			defer func() { _ = server.Close() }()
			other := *r
			other.url = "http://" + listener.Addr().String()
			p := other.dial()
			send := func() error {
				_, err := p.Send(r.ctx, protocol.Request{Type: protocol.TypeInsert, Collection: "c", Data: []byte(`{}`)})
				return err
			}
			for range 20 {
				require.NoError(r, send())
			}
			p.until("second:data:insert-response")
			done := make(chan struct{})
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				g.Shutdown(ctx)
				close(done)
			}()
			for err == nil {
				var m protocol.Received
				m, err = p.Next(r.ctx)
				p.seen = append(p.seen, m)
				if m.Type == "second:data:insert-response" {
					_ = send() // comes when the gateway closes, perhaps: then it is answered, or it is not executed
				}
			}
			<-done
			r.must(websocket.CloseStatus(err) == websocket.StatusGoingAway, "it closed with %v", err)
			r.must(strings.Contains(p.story(), "goaway"), "no goaway came: %s", p.story())
			answered := strings.Count(p.story(), "insert-response")
			page, err := b.Collections(r.ctx, here, nil)
			require.NoError(r, err)
			r.must(page["c"] == answered, "%d writes were answered and %d were made", answered, page["c"])
		},
	},
}

func hostAs(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = host
		next.ServeHTTP(w, r)
	})
}

func handshake(url string) string {
	return "GET " + strings.TrimPrefix(
		client.URL("http", here), "ws",
	) + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(
		url, "http://",
	) +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
}

// upgrade is the status that a handshake is answered with.
func (r *trial) upgrade(host, origin, subprotocol, query string) int {
	r.Helper()
	q, err := http.NewRequestWithContext(
		r.ctx, http.MethodGet, r.url+"/api/workspaces/w/apps/a/data/socket"+query, nil,
	)
	require.NoError(r, err)
	q.Host = host
	for name, value := range map[string]string{
		"Origin": origin, "Sec-WebSocket-Protocol": subprotocol, "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
	} {
		if value != "" {
			q.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	require.NoError(r, err)
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode
}

// serveStalling starts a gateway with a short stall time. dropped waits until so many connections
// of a door are left.
func (r *trial) serveStalling(door string) (dropped func(left float64)) {
	registry := prometheus.NewRegistry()
	r.serve(func(c *gateway.Config) {
		c.Stall, c.Metrics = 300*time.Millisecond, metrics.New(registry)
	})
	open := func() float64 {
		families, err := registry.Gather()
		require.NoError(r, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "secondgate_connections" && m.GetLabel()[0].GetValue() == door {
					return m.GetGauge().GetValue()
				}
			}
		}
		return -1
	}
	return func(left float64) {
		for open() != left {
			r.must(r.ctx.Err() == nil, "%v connections are open, want %v", open(), left)
			time.Sleep(5 * time.Millisecond)
		}
	}
}
