package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// limited is a gateway with limits.
type limited struct {
	*testing.T
	ctx      context.Context
	registry *prometheus.Registry
	url      string
}

// inLimits runs a test in both modes, over a gateway of its own.
func inLimits(t *testing.T, change func(*gateway.Config), check func(*limited)) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			l := &limited{T: t, ctx: ctx, registry: prometheus.NewRegistry()}
			l.url = serve(t, (&modeltest.Harness{}).Open(t), change, func(c *gateway.Config) {
				c.PlainSockets, c.Metrics = m.plain, metrics.New(l.registry)
			})
			check(l)
		})
	}
}

// header is that of a user who may do everything in the workspace w.
func (l *limited) header(user string) string {
	l.Helper()
	return "Authorization: Bearer " + tokenFor(l, user, time.Hour, roles{"w": "owner"}, nil)
}

// dial opens a socket with headers. The answer is nil if it was opened.
func (l *limited) dial(s protocol.Scope, headers ...string) (*websocket.Conn, *client.Reply) {
	l.Helper()
	return l.dialAt(client.URL(l.url, s), headers...)
}

func (l *limited) dialAt(url string, headers ...string) (*websocket.Conn, *client.Reply) {
	l.Helper()
	options := &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol}, HTTPHeader: http.Header{}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		options.HTTPHeader.Add(name, value)
	}
	conn, answer, err := websocket.Dial(l.ctx, url, options)
	if err == nil {
		l.Cleanup(func() { _ = conn.CloseNow() })
		return conn, nil
	}
	require.NotNil(l, answer, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(l, err)
	return nil, &client.Reply{Status: answer.StatusCode, Header: answer.Header, Body: string(body)}
}

// open opens a socket that is served.
func (l *limited) open(headers ...string) *websocket.Conn {
	l.Helper()
	conn, refused := l.dial(here, headers...)
	require.Nil(l, refused)
	return conn
}

// refused wants a socket refused by a limit.
func (l *limited) refused(sentence string, headers ...string) {
	l.Helper()
	conn, answer := l.dial(here, headers...)
	require.Nil(l, conn, "it was opened")
	l.tooMany(answer, sentence)
}

// tooMany wants an answer that says which limit was reached, and when to try again.
func (l *limited) tooMany(a *client.Reply, sentence string) (after int) {
	l.Helper()
	require.Equal(l, http.StatusTooManyRequests, a.Status, a.Body)
	require.Contains(l, a.Body, `"error":"rate_limited"`)
	require.Contains(l, a.Body, sentence)
	after, err := strconv.Atoi(a.Header.Get("Retry-After"))
	require.NoError(l, err)
	require.Positive(l, after)
	return after
}

// stream opens an event stream, until the test ends.
func (l *limited) stream(headers ...string) *client.Stream {
	l.Helper()
	s, err := client.OpenStream(l.ctx, client.StreamURL(l.url, here), headers...)
	require.NoError(l, err)
	l.Cleanup(s.Cut)
	require.Equal(l, http.StatusOK, s.Status)
	return s
}

// served wants a stream that has begun.
func (l *limited) served(s *client.Stream) {
	l.Helper()
	b, err := s.Next(l.ctx)
	require.NoError(l, err)
	require.Equal(l, "1000", b.Retry)
	require.NotEmpty(l, b.ID)
}

// comesBack wants a stream that only tells its client when to come back, in milliseconds.
func (l *limited) comesBack(s *client.Stream) (after int) {
	l.Helper()
	b, err := s.Next(l.ctx)
	require.NoError(l, err)
	require.Empty(l, b.ID)
	after, err = strconv.Atoi(b.Retry)
	require.NoError(l, err)
	_, err = s.Next(l.ctx)
	require.ErrorIs(l, err, io.EOF)
	return after
}

// count is a counter's value, by its one label.
func (l *limited) count(name, label string) float64 {
	l.Helper()
	families, err := l.registry.Gather()
	require.NoError(l, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	l.Fatalf("there is no %s of %s", name, label)
	return 0
}

func (l *limited) countRefused(limit string) float64 {
	l.Helper()
	return l.count("secondgate_refused_total", limit)
}

// TestConnectionsOfAUser: sockets and streams of one user count together, in all apps, and those that have
// ended do not count.
func TestConnectionsOfAUser(t *testing.T) {
	const says = "you have 3 connections open"
	inLimits(t, func(c *gateway.Config) {
		byToken(c)
		c.Connections = limits.Most{PerUser: 3}
	}, func(l *limited) {
		u := l.header("u")
		first := l.open(u)
		_, refused := l.dial(protocol.Scope{Workspace: "w", App: "b", Draft: true}, u)
		require.Nil(l, refused)
		second := l.stream(u)
		l.served(second)

		conn, answer := l.dial(here, u)
		require.Nil(l, conn)
		require.GreaterOrEqual(l, l.tooMany(answer, says), 5)
		after := l.comesBack(l.stream(u))
		require.GreaterOrEqual(l, after, 5000)
		require.Less(l, after, 10_000)
		require.Equal(l, 2.0, l.countRefused(metrics.LimitUser))
		require.Equal(l, 2.0, l.count("secondgate_errors_total", "rate_limited"))
		list, err := client.Do(l.ctx, "GET", client.DataURL(l.url, here, ""), "", u)
		require.NoError(l, err)
		require.Equal(l, http.StatusOK, list.Status, "requests are no connections")
		l.open(l.header("v"))

		require.NoError(l, first.CloseNow())
		l.untilServed(u)
		l.refused(says, u)
		second.Cut()
		l.untilServed(u)
		l.refused(says, u)
	})
}

// untilServed tries until a socket is opened: the gateway notices the end of another one meanwhile.
func (l *limited) untilServed(headers ...string) {
	l.Helper()
	for l.ctx.Err() == nil {
		if _, refused := l.dial(here, headers...); refused == nil {
			return
		}
	}
	l.Fatal("the place of a connection that has ended is not given back")
}

// TestConnectionsThatDoNotBegin leave nothing behind: those that are no WebSocket, that a later check
// refuses, and those that another limit refuses.
func TestConnectionsThatDoNotBegin(t *testing.T) {
	inLimits(t, func(c *gateway.Config) {
		byToken(c)
		c.Connections = limits.Most{All: 100, PerUser: 2}
	}, func(l *limited) {
		u := l.header("u")
		socket := "http" + strings.TrimPrefix(client.URL(l.url, here), "ws")
		for range 5 {
			a, err := client.Do(l.ctx, "GET", socket, "", u)
			require.NoError(l, err)
			require.Equal(l, http.StatusUpgradeRequired, a.Status)
			a, err = client.Do(l.ctx, "GET", socket+"&changes=some", "", u)
			require.NoError(l, err)
			require.Equal(l, http.StatusBadRequest, a.Status)
			a, err = client.Do(l.ctx, "GET", client.StreamURL(l.url, here), "{}", u)
			require.NoError(l, err)
			require.Equal(l, http.StatusBadRequest, a.Status)
		}
		l.open(u)
		l.served(l.stream(u))
		for range 200 {
			l.refused("of a user", u)
		}
		l.open(l.header("v"))
	})
}

// TestConnectionsInAll: over all users, and with nobody to be told apart.
func TestConnectionsInAll(t *testing.T) {
	inLimits(t, func(c *gateway.Config) {
		c.Connections = limits.Most{All: 2, PerUser: 1, PerAddress: 1}
	}, func(l *limited) {
		l.open()
		second := l.stream()
		l.served(second)
		l.refused("the gateway has 2 connections open")
		require.GreaterOrEqual(l, l.comesBack(l.stream()), 5000)
		require.Equal(l, 2.0, l.countRefused(metrics.LimitConnections))
		second.Cut()
		l.untilServed()
	})
}

// TestConnectionsOfAnAddress: a trusted proxy says whose they are, and nobody else does. This machine's own
// have no limit.
func TestConnectionsOfAnAddress(t *testing.T) {
	const says = "your address has 2 connections open"
	t.Run("proxy", func(t *testing.T) {
		inLimits(t, func(c *gateway.Config) {
			c.Connections = limits.Most{PerAddress: 2}
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}, func(l *limited) {
			const name = "X-Forwarded-For: "
			first := l.open(name + "203.0.113.7")
			l.served(l.stream(name + "198.51.100.9, 203.0.113.7"))
			l.refused(says, name+"203.0.113.7")
			l.refused(says, name+"198.51.100.9, 203.0.113.7", name+"127.0.0.1")
			require.GreaterOrEqual(l, l.comesBack(l.stream(name+"203.0.113.7")), 5000)
			require.Equal(l, 3.0, l.countRefused(metrics.LimitAddress))
			l.open(name + "198.51.100.9")

			l.open(name + "2001:db8::1")
			l.open(name + "2001:db8::2")
			l.refused(says, name+"2001:db8::3")
			l.open(name + "2001:db8:0:1::3")

			l.open(name + "::1")
			l.open(name + "::1")
			l.refused(says, name+"::1")
			for range 4 {
				l.open() // the proxy's own, such as a health check
			}
			require.NoError(l, first.CloseNow())
			l.untilServed(name + "203.0.113.7")
		})
	})
	t.Run("nobody is trusted", func(t *testing.T) {
		inLimits(t, func(c *gateway.Config) { c.Connections = limits.Most{PerAddress: 2} }, func(l *limited) {
			for range 4 {
				l.open("X-Forwarded-For: 203.0.113.7", "X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7")
			}
			require.Zero(l, l.countRefused(metrics.LimitAddress))
		})
	})
}

// never is a rate at which nothing comes back while a test runs.
func never(burst int) limits.Rate { return limits.Rate{PerSecond: 1e-6, Burst: burst} }

// request sends a request on a socket and reads up to its answer.
func (l *limited) request(conn *websocket.Conn, text string) protocol.Received {
	l.Helper()
	require.NoError(l, conn.Write(l.ctx, websocket.MessageText, []byte(text)))
	return l.read(conn, func(m *protocol.Received) bool {
		return m.RequestID == "r" && m.Type != protocol.TypeSettled
	})
}

// read reads messages up to one.
func (l *limited) read(conn *websocket.Conn, is func(*protocol.Received) bool) protocol.Received {
	l.Helper()
	for {
		_, text, err := conn.Read(l.ctx)
		require.NoError(l, err)
		if text[0] != '[' {
			text = []byte("[" + string(text) + "]")
		}
		var all []protocol.Received
		require.NoError(l, json.Unmarshal(text, &all))
		for i := range all {
			if is(&all[i]) {
				return all[i]
			}
		}
	}
}

const (
	pingRequest   = `{"type":"second:data:ping","requestId":"r"}`
	insertRequest = `{"type":"second:data:insert","requestId":"r","collection":"c","docId":"ID",` +
		`"data":{"pad":"PAD"}}`
)

// tooFast wants a request of a socket refused by its rate, in its own answer.
func (l *limited) tooFast(m protocol.Received, t protocol.Type, sentence string) {
	l.Helper()
	require.Equal(l, t+protocol.ResponseSuffix, m.Type)
	require.NotNil(l, m.Error)
	require.Equal(l, protocol.CodeRateLimited, m.Error.Code)
	require.True(l, m.Error.Retryable)
	require.Contains(l, m.Error.Message, sentence)
}

// TestRequestsOfAUser: one allowance for all that a user asks, by any door. Over it a socket stays, and
// gets changes.
func TestRequestsOfAUser(t *testing.T) {
	const says = "you ask more than 0 times a second"
	inLimits(t, func(c *gateway.Config) {
		byToken(c)
		c.RequestRate = never(6)
	}, func(l *limited) {
		u, v := l.header("u"), l.header("v")
		list := func(header string) client.Reply {
			a, err := client.Do(l.ctx, "GET", client.DataURL(l.url, here, "", "collection", "c"), "", header)
			require.NoError(l, err)
			return a
		}
		socket := l.open(u)                   // 1
		l.served(l.stream(u))                 // 2
		other := l.open(u)                    // 3
		require.Equal(l, 200, list(u).Status) // 4
		require.Nil(l, l.request(socket, pingRequest).Error)
		require.Nil(l, l.request(other, pingRequest).Error)

		l.tooFast(l.request(socket, pingRequest), protocol.TypePing, says)
		refusedInsert := strings.NewReplacer("ID", "refused", "PAD", "").Replace(insertRequest)
		l.tooFast(l.request(other, refusedInsert), protocol.TypeInsert, says)
		a := list(u)
		require.Greater(l, l.tooMany(&a, says), 100_000, "when there is room")
		l.refused(says, u)
		require.Greater(l, l.comesBack(l.stream(u)), 100_000_000)
		require.Equal(l, 5.0, l.countRefused(metrics.LimitRequests))
		require.Equal(l, 5.0, l.count("secondgate_errors_total", "rate_limited"))

		a, err := client.Do(
			l.ctx, "POST", client.DataURL(l.url, here, ""), `{"collection":"c","docId":"made","data":{}}`, v,
		)
		require.NoError(l, err)
		require.Equal(l, http.StatusCreated, a.Status, "others go on")
		change := l.read(socket, func(m *protocol.Received) bool { return m.Type == protocol.TypeChange })
		require.Equal(l, "made", change.DocID)
		require.NotContains(l, list(v).Body, "refused", "it was carried out")
	})
}

// TestBytesOfAUser: bodies and frames, whether their length is known before or not.
func TestBytesOfAUser(t *testing.T) {
	const says = "you send more than 0 bytes a second"
	inLimits(t, func(c *gateway.Config) {
		byToken(c)
		c.ByteRate = never(3000)
	}, func(l *limited) {
		u := l.header("u")
		post := func(id string, pad int, body func(string) io.Reader) *client.Reply {
			text := `{"collection":"c","docId":"` + id + `","data":{"pad":"` + strings.Repeat("x", pad) + `"}}`
			q, err := http.NewRequestWithContext(l.ctx, "POST", client.DataURL(l.url, here, ""), body(text))
			require.NoError(l, err)
			q.Header.Set("Authorization", strings.TrimPrefix(u, "Authorization: "))
			answer, err := http.DefaultTransport.RoundTrip(q)
			require.NoError(l, err)
			defer answer.Body.Close()
			all, err := io.ReadAll(answer.Body)
			require.NoError(l, err)
			return &client.Reply{Status: answer.StatusCode, Header: answer.Header, Body: string(all)}
		}
		known := func(s string) io.Reader { return strings.NewReader(s) }
		chunked := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }
		socket := l.open(u)
		frame := func(id string, pad int) string {
			return strings.NewReplacer("ID", id, "PAD", strings.Repeat("x", pad)).Replace(insertRequest)
		}
		require.Equal(l, http.StatusCreated, post("a", 700, known).Status)
		require.Equal(l, http.StatusCreated, post("b", 700, chunked).Status)
		require.Nil(l, l.request(socket, frame("c", 700)).Error)

		l.tooMany(post("d", 700, known), says)
		l.tooMany(post("e", 700, chunked), says)
		l.tooFast(l.request(socket, frame("f", 700)), protocol.TypeInsert, says)
		require.Equal(l, 3.0, l.countRefused(metrics.LimitBytes))
		require.Nil(l, l.request(socket, pingRequest).Error, "there is room for little")
		list, err := client.Do(l.ctx, "GET", client.DataURL(l.url, here, "", "collection", "c"), "", u)
		require.NoError(l, err)
		require.Equal(l, http.StatusOK, list.Status, "reading sends nothing")
		require.Len(l, docsOf(l, list.Body), 3)
	})
}

// TestNobodyHasNoRate: without users there is nothing to share out.
func TestNobodyHasNoRate(t *testing.T) {
	inLimits(t, func(c *gateway.Config) {
		c.RequestRate, c.ByteRate, c.Connections = never(1), never(1), limits.Most{PerUser: 1}
	}, func(l *limited) {
		for range 3 {
			conn := l.open()
			require.Nil(l, l.request(conn, pingRequest).Error)
			require.Nil(l, l.request(conn, pingRequest).Error)
			a, err := client.Do(l.ctx, "POST", client.DataURL(l.url, here, ""), `{"collection":"c","data":{}}`)
			require.NoError(l, err)
			require.Equal(l, http.StatusCreated, a.Status)
		}
	})
}
