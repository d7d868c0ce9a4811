package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// ticketFor asks for a ticket; headers are "Name: value".
func ticketFor(t rule.T, ctx context.Context, url string, s protocol.Scope, headers ...string) string {
	t.Helper()
	a, err := client.Do(ctx, "POST", client.DataURL(url, s, "ticket"), "", headers...)
	require.NoError(t, err)
	require.Equal(t, 200, a.Status, a.Body)
	require.NoError(t, schemas.Check(t, "schema/rest.json#/$defs/ticket", a.Body), a.Body)
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	var made struct {
		Ticket    string
		ExpiresAt time.Time
	}
	require.NoError(t, json.Unmarshal([]byte(a.Body), &made))
	require.False(t, made.ExpiresAt.After(time.Now().Add(time.Minute)))
	return made.Ticket
}

// tryTicket asks for a socket with a ticket, and drops it.
func tryTicket(t rule.T, ctx context.Context, url string, s protocol.Scope, ticket string) client.Reply {
	t.Helper()
	conn, answer, err := websocket.Dial(ctx, client.URL(url, s, "ticket", ticket), nil)
	if err == nil {
		require.NoError(t, conn.CloseNow())
		return client.Reply{Status: http.StatusSwitchingProtocols}
	}
	require.NotNil(t, answer, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return client.Reply{Status: answer.StatusCode, Header: answer.Header, Body: string(body)}
}

// sharedLog is a log that several goroutines write.
type sharedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestTickets over each database, with two gateways: one makes them, any redeems them, once.
func TestTickets(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := live(t)
			b := h.Open(t)
			log := &sharedLog{}
			loud := func(c *gateway.Config) {
				c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			urls := []string{serve(t, b, byToken, loud), serve(t, h.Reopen(t, b), byToken, loud)}
			bearer := "Authorization: Bearer " + collaborates.token(t, time.Hour)

			raced := ticketFor(t, ctx, urls[0], draft, bearer)
			var group sync.WaitGroup
			var in, out atomic.Int64
			for i := range 50 {
				group.Go(func() {
					switch a := tryTicket(t, ctx, urls[i%2], draft, raced); a.Status {
					case http.StatusSwitchingProtocols:
						in.Add(1)
					case http.StatusUnauthorized:
						out.Add(1)
					default:
						t.Errorf("%d %s", a.Status, a.Body)
					}
				})
			}
			group.Wait()
			require.EqualValues(t, 1, in.Load())
			require.EqualValues(t, 49, out.Load())

			used := tryTicket(t, ctx, urls[0], draft, raced)
			require.Equal(t, used.Body, tryTicket(t, ctx, urls[1], draft, "AAAAAAAAAAAAAAAAAAAAAAAAAA").Body)
			foreign := ticketFor(t, ctx, urls[0], here, bearer)
			require.Equal(t, used.Body, tryTicket(t, ctx, urls[1], draft, foreign).Body)
			require.Equal(t, used.Body, tryTicket(t, ctx, urls[1], here, foreign).Body, "tried is used")

			made := ticketFor(t, ctx, urls[0], draft, bearer)
			c, err := client.Dial(ctx, client.URL(urls[1], draft, "ticket", made))
			require.NoError(t, err)
			defer c.Cut()
			require.Equal(t, "ada", c.Welcome.User.ID)
			require.Equal(t, "collaborator", c.Welcome.Role)
			streaming := ticketFor(t, ctx, urls[1], draft, bearer)
			w := openStream(t, ctx, client.StreamURL(urls[0], draft)+"&ticket="+streaming)
			require.Equal(t, 200, w.status)
			m, err := c.Call(ctx, protocol.Request{
				Type: protocol.TypeInsert, Collection: "c", DocID: "d", Data: []byte(`{}`),
			})
			require.NoError(t, err)
			require.Nil(t, m.Error)
			w.untilDoc("d")
			again := openStream(t, ctx, client.StreamURL(urls[0], draft)+"&ticket="+streaming)
			require.Equal(t, 401, again.status, "EventSource comes back with the ticket that it had")

			for _, one := range []string{raced, foreign, made, streaming} {
				require.NotContains(t, log.String(), one)
			}
			left, err := b.Find(ctx, "ticket", "", "", 1)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestTicketIsForConnectionsAlone: REST has no use for one, and a ticket makes no ticket.
func TestTicketIsForConnectionsAlone(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	url := serve(t, harnesses()["model"].Open(t), byToken)
	bearer := "Authorization: Bearer " + collaborates.token(t, time.Hour)
	ticket := ticketFor(t, ctx, url, draft, bearer)
	for _, q := range [][2]string{{"GET", ""}, {"POST", "ticket"}, {"GET", "d"}} {
		a, err := client.Do(ctx, q[0], client.DataURL(url, draft, q[1], "ticket", ticket), "")
		require.NoError(t, err)
		require.Equal(t, 401, a.Status)
	}
	stream, err := client.OpenStream(ctx, client.StreamURL(url, draft)+"&ticket="+ticket, bearer)
	require.NoError(t, err)
	stream.Cut()
	require.Equal(t, 400, stream.Status)
	require.Equal(t, 101, tryTicket(t, ctx, url, draft, ticket).Status, "nothing of this has used it")
}

// TestTicketOfNobody: who may not follow gets none. A document may be called ticket.
func TestTicketOfNobody(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	url := serve(t, harnesses()["model"].Open(t), byToken)
	for _, c := range []struct {
		who    person
		s      protocol.Scope
		status int
	}{{people[4], here, 200}, {people[4], draft, 403}, {people[5], here, 404}, {people[8], here, 404}} {
		a, err := client.Do(ctx, "POST", client.DataURL(url, c.s, "ticket"), "",
			"Authorization: Bearer "+c.who.token(t, time.Hour))
		require.NoError(t, err)
		require.Equal(t, c.status, a.Status, "%s %s", c.who.name, a.Body)
	}
	bearer := "Authorization: Bearer " + collaborates.token(t, time.Hour)
	a, err := client.Do(ctx, "POST", client.DataURL(url, here, ""),
		`{"collection":"c","docId":"ticket","data":{}}`, bearer)
	require.NoError(t, err)
	require.Equal(t, 201, a.Status)
	for method, body := range map[string]string{"GET": "", "HEAD": "", "PATCH": `{"collection":"c","data":{}}`} {
		address := client.DataURL(url, here, "ticket", "collection", "c")
		a, err := client.Do(ctx, method, address, body, bearer)
		require.NoError(t, err)
		require.Equal(t, 200, a.Status, "%s %s", method, a.Body)
	}
}

// TestTicketEndsWithItsToken: what it opened lasts no longer than the token that it was made with.
func TestTicketEndsWithItsToken(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	url := serve(t, harnesses()["model"].Open(t), byToken)
	for holds := 2 * time.Second; ; holds *= 2 { // until it has not expired before the socket is there
		bearer := "Authorization: Bearer " + collaborates.token(t, holds)
		ticket := ticketFor(t, ctx, url, draft, bearer)
		c, err := client.Dial(ctx, client.URL(url, draft, "ticket", ticket))
		require.NoError(t, ctx.Err())
		if err == nil {
			code, _ := closeOf(t, ctx, c)
			require.Equal(t, 4401, code)
			return
		}
	}
}

// TestTicketWithoutIdentity: a client need not know whether anybody is asked.
func TestTicketWithoutIdentity(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	url := serve(t, harnesses()["model"].Open(t))
	ticket := ticketFor(t, ctx, url, here)
	require.Equal(t, 101, tryTicket(t, ctx, url, here, ticket).Status)
	require.Equal(t, 401, tryTicket(t, ctx, url, here, ticket).Status)
}

// TestTicketOfAHook: the hook is asked with the credential that the ticket was made with, for as long as the
// connection lasts.
func TestTicketOfAHook(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	h, url := serveBy(t, access.NewForward)
	signedOut := &atomic.Bool{}
	h.says(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Cookie") != "session=s1":
			w.WriteHeader(http.StatusForbidden)
		case signedOut.Load():
			w.WriteHeader(http.StatusUnauthorized)
		default:
			ada(w, r)
		}
	})
	ticket := ticketFor(t, ctx, url, draft, session)
	other := http.Header{"Cookie": {"x=other"}}
	c, err := client.DialWith(ctx, client.URL(url, draft, "ticket", ticket), other)
	require.NoError(t, err)
	require.Equal(t, "ada", c.Welcome.User.ID)
	signedOut.Store(true)
	code, _ := closeOf(t, ctx, c)
	require.Equal(t, 4401, code)
}
