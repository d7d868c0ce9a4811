package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// draft is a scope that viewers may not enter.
var draft = protocol.Scope{Workspace: "w", App: "a", Draft: true}

// collaborates are the roles of somebody who may enter it.
var collaborates = person{"ada", roles{"w": "member"}, roles{"a": "collaborator"}}

func (p person) token(t *testing.T, holds time.Duration) string {
	t.Helper()
	return tokenFor(t, p.name, holds, p.workspaces, p.apps)
}

// dialAs opens a socket with a token.
func dialAs(t *testing.T, ctx context.Context, url string, s protocol.Scope, token string) *client.Client {
	t.Helper()
	c, err := client.Dial(ctx, client.URL(url, s), access.BearerSubprotocol+token)
	require.NoError(t, err)
	t.Cleanup(c.Cut)
	return c
}

// closeOf reads until the gateway ends the connection.
func closeOf(t *testing.T, ctx context.Context, c *client.Client) (code int, before []protocol.Received) {
	t.Helper()
	for {
		m, err := c.Next(ctx)
		if err != nil {
			require.NoError(t, ctx.Err(), "the connection stayed open")
			return int(websocket.CloseStatus(err)), before
		}
		before = append(before, m)
	}
}

// serveByToken starts a gateway that asks for tokens and writes to its clients in a mode.
func serveByToken(t *testing.T, m mode) string {
	t.Helper()
	return serve(t, harnesses()["model"].Open(t), byToken, func(c *gateway.Config) { c.PlainSockets = m.plain })
}

func live(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), planted.Wait(time.Minute))
	t.Cleanup(cancel)
	return ctx
}

// TestWelcomeTellsWhoItIs and what they may do.
func TestWelcomeTellsWhoItIs(t *testing.T) {
	t.Parallel()
	url := serve(t, harnesses()["model"].Open(t), byToken)
	c := dialAs(t, live(t), url, draft, collaborates.token(t, time.Hour))
	require.Equal(t, "ada", c.Welcome.User.ID)
	require.Equal(t, "collaborator", c.Welcome.Role)
	require.Equal(t, []string{"read", "write"}, c.Welcome.Rights)
	at, err := time.Parse(time.RFC3339, c.Welcome.ExpiresAt)
	require.NoError(t, err)
	require.WithinRange(t, at, time.Now(), time.Now().Add(time.Hour+time.Minute))
}

// TestSocketEndsWithItsToken: no change comes afterwards, and its cursor opens nothing without a new token.
func TestSocketEndsWithItsToken(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			ctx := live(t)
			url := serveByToken(t, m)
			token := collaborates.token(t, 1500*time.Millisecond)
			c := dialAs(t, ctx, url, draft, token)
			other := dialAs(t, ctx, url, draft, collaborates.token(t, time.Hour))
			ended := make(chan struct{})
			go func() { // changes come all the time
				defer close(ended)
				for i := 0; ctx.Err() == nil; i++ {
					m, err := other.Call(ctx, protocol.Request{
						Type: protocol.TypeUpsert, Collection: "c", DocID: "d", Data: []byte(`{"canary":1}`),
					})
					if err != nil || m.Error != nil {
						return
					}
				}
			}()
			code, before := closeOf(t, ctx, c)
			other.Cut()
			<-ended
			require.Equal(t, 4401, code)
			cursor := ""
			for _, m := range before {
				if m.Type == protocol.TypeBookmark {
					cursor = m.Cursor
				}
			}
			require.NotEmpty(t, cursor)
			_, answer, err := websocket.Dial(ctx, client.URL(url, draft, "cursor", cursor), &websocket.DialOptions{
				Subprotocols: []string{protocol.Subprotocol, access.BearerSubprotocol + tokenFor(
					t, "ada", -time.Hour, collaborates.workspaces, collaborates.apps,
				)},
			})
			require.Error(t, err)
			require.Equal(t, 401, answer.StatusCode)
		})
	}
}

// TestSocketTakesAnotherToken of the same user, and lives as long as that one.
func TestSocketTakesAnotherToken(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	url := serve(t, harnesses()["model"].Open(t), byToken)
	c := dialAs(t, ctx, url, draft, collaborates.token(t, 1500*time.Millisecond))
	refresh := func(holds time.Duration) string {
		m, err := c.Call(
			ctx,
			protocol.Request{Type: protocol.TypeAuthRefresh, Token: collaborates.token(t, holds)},
		)
		require.NoError(t, err)
		require.Nil(t, m.Error)
		return m.ExpiresAt
	}
	first := c.Welcome.ExpiresAt
	require.Greater(t, refresh(time.Hour), first)
	brief := dialAs(t, ctx, url, draft, collaborates.token(t, 2*time.Second))
	code, _ := closeOf(t, ctx, brief) // later than the first token of c
	require.Equal(t, 4401, code)
	m, err := c.Call(ctx, protocol.Request{Type: protocol.TypeList, Collection: "c"})
	require.NoError(t, err)
	require.Nil(t, m.Error)
	refresh(time.Millisecond)
	code, _ = closeOf(t, ctx, c)
	require.Equal(t, 4401, code)
}

// TestARefreshThatFailsEndsTheSocket, once it is answered.
func TestARefreshThatFailsEndsTheSocket(t *testing.T) {
	t.Parallel()
	member := roles{"w": "member"}
	for name, test := range map[string]struct {
		token string
		code  protocol.Code
		close int
	}{
		"no token":      {"x", protocol.CodeUnauthorized, 4401},
		"expired":       {collaborates.token(t, -time.Hour), protocol.CodeUnauthorized, 4401},
		"of another":    {people[2].token(t, time.Hour), protocol.CodeUnauthorized, 4401},
		"endless token": {strings.Repeat("x", 9000), protocol.CodeUnauthorized, 4401},
		"fewer rights": {tokenFor(t, "ada", time.Hour, member, roles{"a": "viewer"}), protocol.CodeForbidden,
			4403},
		"not this app": {tokenFor(t, "ada", time.Hour, member, nil), protocol.CodeAppNotFound, 4404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := live(t)
			c := dialAs(
				t,
				ctx,
				serve(t, harnesses()["model"].Open(t), byToken),
				draft,
				collaborates.token(t, time.Hour),
			)
			m, err := c.Call(ctx, protocol.Request{Type: protocol.TypeAuthRefresh, Token: test.token})
			require.NoError(t, err)
			require.NotNil(t, m.Error)
			require.Equal(t, test.code, m.Error.Code)
			code, _ := closeOf(t, ctx, c)
			require.Equal(t, test.close, code)
		})
	}
}

// TestWritesAtTheEndAreWholeOrRefused: of batches that are under way when the token expires, each is carried
// out whole and answered, or refused, or never answered and not half there.
func TestWritesAtTheEndAreWholeOrRefused(t *testing.T) {
	t.Parallel()
	ctx := live(t)
	url := serve(t, (&sqlitetest.Harness{}).Open(t), byToken)
	c := dialAs(t, ctx, url, draft, collaborates.token(t, 1200*time.Millisecond))
	go func() {
		for ctx.Err() == nil {
			if _, err := c.Send(ctx, protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
				{Type: protocol.TypeInsert, Collection: "left", Data: []byte(`{}`)},
				{Type: protocol.TypeInsert, Collection: "right", Data: []byte(`{}`)},
			}}); err != nil {
				return
			}
		}
	}()
	code, before := closeOf(t, ctx, c)
	require.Equal(t, 4401, code)
	done := 0
	for _, m := range before {
		if m.Type == protocol.TypeBatch+protocol.ResponseSuffix {
			if m.Error == nil {
				done++
			} else {
				// A fast machine comes to the limit of requests before the end.
				require.Contains(t, []protocol.Code{protocol.CodeUnauthorized, protocol.CodeRateLimited}, m.Error.Code)
			}
		}
	}
	again := dialAs(t, ctx, url, draft, collaborates.token(t, time.Hour))
	count := func(collection string) int {
		n := 0
		for after := ""; ; {
			m, err := again.Call(
				ctx,
				protocol.Request{Type: protocol.TypeList, Collection: collection, After: after},
			)
			require.NoError(t, err)
			n += len(m.Docs)
			if after = m.Next; after == "" {
				return n
			}
		}
	}
	left := count("left")
	require.Equal(t, left, count("right"))
	require.GreaterOrEqual(t, left, done)
	require.Positive(t, done)
}

// TestStreamEndsWithItsToken, and says why.
func TestStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			ctx := live(t)
			url := serveByToken(t, m)
			token := collaborates.token(t, 1200*time.Millisecond)
			w := openStream(t, ctx, client.StreamURL(url, draft), "Authorization: Bearer "+token)
			require.Equal(t, 200, w.status)
			last := w.until("the end", func(e event) bool { return e.event == "unauthorized" })
			require.JSONEq(t, `{"error":"unauthorized",
				"message":"the token has expired: sign in again and send a new one"}`, last.data)
			for ok := true; ok; {
				var e event
				e, ok = w.next()
				require.Empty(t, e.data)
			}
			require.NoError(t, ctx.Err())
		})
	}
}
