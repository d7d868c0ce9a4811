package access

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestTokenRenews: another token of the same user, and nothing else.
func TestTokenRenews(t *testing.T) {
	t.Parallel()
	m := NewJWT(secret, "issuer", "gateway", DefaultClaims)
	token := func(user string, expires time.Time) string {
		return signed(t, jwt.SigningMethodHS256, []byte(secret), nil,
			with(jwt.MapClaims{"sub": user, "exp": expires.Unix()}))
	}
	hour := time.Now().Add(time.Hour)
	p, refused := m.Identify(requestWith(token("u1", hour)), home)
	require.Nil(t, refused)
	later, refused := m.Renew(t.Context(), p, home, token("u1", hour.Add(time.Hour)))
	require.Nil(t, refused)
	require.True(t, later.Expires.After(p.Expires))
	for name, text := range map[string]string{
		"another user": token("u2", hour), "expired": token("u1", time.Now().Add(-time.Hour)),
		"too long": strings.Repeat("a", maxToken+1), "none": "",
	} {
		got, refused := m.Renew(t.Context(), p, home, text)
		require.NotNil(t, refused, name)
		require.Equal(t, protocol.CodeUnauthorized, refused.Code, name)
		require.Equal(t, p, got, "%s: the connection stays who it was", name)
	}
	p.Expires = time.Now()
	require.Equal(t, errExpired(), m.Allow(t.Context(), p, home, Read))
}

// TestTokenOfAllTimes: times beyond the calendar count as its ends, so that a ticket and welcome can
// write them.
func TestTokenOfAllTimes(t *testing.T) {
	t.Parallel()
	p := verified(t, with(jwt.MapClaims{"exp": 1e15, "iat": -1e15}))
	require.Equal(t, lastTime, p.Expires)
	require.Equal(t, firstTime, p.issued)
	p = verified(t, with(jwt.MapClaims{"iat": 1e15}))
	require.Equal(t, lastTime, p.issued)
	x := tickets(tokens(), &fakeLedger{})
	made, refused := x.Make(t.Context(), p, home)
	require.Nil(t, refused)
	got, refused := ask(x, made.Text, nil)
	require.Nil(t, refused)
	require.True(t, p.Expires.Equal(got.Expires) && p.issued.Equal(got.issued))
}
