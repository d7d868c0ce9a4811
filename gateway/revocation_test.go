package gateway_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// issued is a token of a collaborator that says when it was issued, and its id.
func issued(t rule.T, user, id string, at time.Time) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "issuer", "aud": "gateway", "exp": time.Now().Add(time.Hour).Unix(), "iat": at.Unix(),
		"jti": id, "sub": user, "workspaces": collaborates.workspaces, "apps": collaborates.apps,
	}).SignedString(jwtSecret)
	require.NoError(t, err)
	return text
}

// statusWith is that of a list with a token.
func statusWith(t rule.T, ctx context.Context, url, token string) int {
	t.Helper()
	a, err := client.Do(ctx, "GET", client.DataURL(url, draft, ""), "", "Authorization: Bearer "+token)
	require.NoError(t, err)
	return a.Status
}

// TestRevocation over each database: what is revoked once ends at every gateway, also where it is connected.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			b := h.Open(t)
			urls := []string{serve(t, b, byToken), serve(t, h.Reopen(t, b), byToken)}
			before := time.Now()
			ada, bob := issued(t, "ada", "1", before), issued(t, "bob", "2", before)
			eve, eveToo := issued(t, "eve", "3", before), issued(t, "eve", "4", before)
			var ending []*client.Client
			for _, url := range urls {
				ending = append(ending, dialAs(t, ctx, url, draft, ada), dialAs(t, ctx, url, draft, eve))
			}
			ticket := ticketFor(t, ctx, urls[0], draft, "Authorization: Bearer "+ada)
			byTicket, err := client.Dial(ctx, client.URL(urls[1], draft, "ticket", ticket))
			require.NoError(t, err)
			ending = append(ending, byTicket)
			staying := []*client.Client{
				dialAs(t, ctx, urls[0], draft, bob), dialAs(t, ctx, urls[1], draft, eveToo),
			}
			w := openStream(t, ctx, client.StreamURL(urls[1], draft), "Authorization: Bearer "+ada)
			w.untilID()

			require.NoError(t, access.RevokeUser(ctx, b, "ada", time.Hour))
			require.NoError(t, access.RevokeToken(ctx, b, "3", time.Hour))
			for _, c := range ending {
				code, _ := closeOf(t, ctx, c)
				require.Equal(t, 4401, code)
			}
			w.until("the end", func(e event) bool { return e.event == "unauthorized" })
			for _, url := range urls {
				require.Equal(t, 401, statusWith(t, ctx, url, ada))
				require.Equal(t, 401, statusWith(t, ctx, url, eve))
				require.Equal(t, 200, statusWith(t, ctx, url, eveToo))
				later := issued(t, "ada", "5", time.Now().Add(time.Minute))
				require.Equal(t, 200, statusWith(t, ctx, url, later))
				require.Equal(t, 401, statusWith(t, ctx, url, collaborates.token(t, time.Hour)), "no iat")
			}
			for _, c := range staying {
				m, err := c.Call(ctx, protocol.Request{Type: protocol.TypeList, Collection: "c"})
				require.NoError(t, err)
				require.Nil(t, m.Error)
			}
			if isModel(h) { // they are read again and again
				require.NoError(t, access.RevokeToken(ctx, b, "2", time.Hour))
				code, _ := closeOf(t, ctx, staying[0])
				require.Equal(t, 4401, code)
			}
		})
	}
}

// unreadable is a backend whose ledger cannot be read at times.
type unreadable struct {
	backends.Backend
	now atomic.Bool
}

func (u *unreadable) Find(
	ctx context.Context, kind, prefix, after string, limit int,
) ([]backends.Entry, error) {
	if u.now.Load() {
		return nil, protocol.Errorf(protocol.CodeUnavailable, "away")
	}
	return u.Backend.Find(ctx, kind, prefix, after, limit)
}

// TestRevocationsAway: while nobody knows what was revoked, nobody gets in, and they may try again.
func TestRevocationsAway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	b := &unreadable{Backend: harnesses()["model"].Open(t)}
	url := serve(t, b, byToken)
	token := issued(t, "ada", "1", time.Now())
	c := dialAs(t, ctx, url, draft, token)
	b.now.Store(true)
	code, _ := closeOf(t, ctx, c)
	require.Equal(t, 1013, code)
	require.Equal(t, 503, statusWith(t, ctx, url, token))
	b.now.Store(false)
	require.Eventually(t, func() bool {
		return statusWith(t, ctx, url, token) == 200
	}, time.Minute, 100*time.Millisecond)
	dialAs(t, ctx, url, draft, token)
}
