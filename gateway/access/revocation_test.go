package access

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// revocations are those of a ledger, and a clock for them.
func revocations(t *testing.T, l *fakeLedger) (r *Revocations, now *time.Time) {
	t.Helper()
	at := noon
	mode := newJWT(secret, "issuer", "gateway", DefaultClaims, func() time.Time { return at })
	r, err := ReadRevocations(t.Context(), mode, l, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return r, &at
}

// isRevoked reports what becomes of a token with these claims, by every way in.
func isRevoked(t *testing.T, r *Revocations, claims jwt.MapClaims) bool {
	t.Helper()
	text := signed(t, jwt.SigningMethodHS256, []byte(secret), nil, with(claims))
	q := requestWith(text)
	p, refused := r.Identify(q, home)
	allowed := r.Allow(t.Context(), p, home, Read)
	require.Equal(t, refused, allowed)
	require.Equal(t, revokedRecheck, p.Recheck)
	renewed, late := r.Renew(t.Context(), p, home, text)
	require.Nil(t, late, "Allow is asked next")
	require.Equal(t, allowed, r.Allow(t.Context(), renewed, home, Read))
	require.Equal(t, revokedRecheck, renewed.Recheck)
	if refused != nil {
		require.Equal(t, errRevoked, refused)
	}
	return refused != nil
}

// TestRevocations: which tokens each refuses.
func TestRevocations(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	put := func(key string) {
		require.NoError(t, l.Put(t.Context(), backends.Entry{Kind: revokedKind, Key: key, At: noon}, false))
	}
	put(revokedUser("u1"))
	put(revokedToken("j1"))
	put(revokedToken(""))
	put("something of a later version")
	r, _ := revocations(t, l)
	for _, c := range []struct {
		claims jwt.MapClaims
		want   bool
	}{
		{jwt.MapClaims{"iat": noon.Add(-time.Hour).Unix()}, true},
		{jwt.MapClaims{"iat": noon.Unix()}, true},
		{jwt.MapClaims{"iat": noon.Add(time.Second).Unix()}, false},
		{jwt.MapClaims{}, true},
		{jwt.MapClaims{"iat": "yesterday"}, true},
		{jwt.MapClaims{"sub": "u2"}, false},
		{jwt.MapClaims{"sub": "U1"}, false},
		{jwt.MapClaims{"sub": "j1", "jti": "u1"}, false},
		{jwt.MapClaims{"sub": "u2", "iat": noon.Add(time.Hour).Unix(), "jti": "j1"}, true},
		{jwt.MapClaims{"sub": "u2", "jti": "j2"}, false},
		{jwt.MapClaims{"sub": "u2", "jti": ""}, false},
		{jwt.MapClaims{"sub": "u2", "jti": 1}, false},
	} {
		require.Equal(t, c.want, isRevoked(t, r, c.claims), "%v", c.claims)
	}
}

// TestRevocationsAreReadAtOnce: no request and no connection asks the ledger.
func TestRevocationsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	r, _ := revocations(t, l)
	for range 100 {
		require.False(t, isRevoked(t, r, nil))
	}
	require.Equal(t, 1, l.asked)
	require.NoError(t, RevokeUser(t.Context(), l, "u1", time.Hour))
	for i := range revokedPage {
		l.entries = append(l.entries, backends.Entry{Kind: revokedKind, Key: revokedToken(fmt.Sprint(i))})
	}
	before := l.asked
	require.NoError(t, r.read(t.Context(), time.Minute))
	require.Equal(t, 2, l.asked-before, "pages")
	require.True(t, isRevoked(t, r, nil))
	require.True(t, isRevoked(t, r, jwt.MapClaims{"sub": "u2", "jti": fmt.Sprint(revokedPage - 1)}))
}

// TestRevocationsThatCannotBeRead: what was read counts for a while. Then nobody gets in, and no connection
// goes on.
func TestRevocationsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	r, now := revocations(t, l)
	text := signed(t, jwt.SigningMethodHS256, []byte(secret), nil, good())
	q := requestWith(text)
	p, refused := r.Identify(q, home)
	require.Nil(t, refused)
	l.fail(away)
	*now = noon.Add(revokedHold)
	require.Error(t, r.read(t.Context(), time.Minute))
	require.Nil(t, r.Allow(t.Context(), p, home, Read))
	*now = now.Add(time.Nanosecond)
	for _, ask := range []func() *protocol.Error{
		func() *protocol.Error { return r.Allow(t.Context(), p, home, Read) },
		func() *protocol.Error { _, refused := r.Identify(q, home); return refused },
	} {
		refused := ask()
		require.NotNil(t, refused)
		require.Equal(t, protocol.CodeUnavailable, refused.Code)
	}
	lapsed := make(chan *protocol.Error, 1)
	p.Recheck = time.Nanosecond
	counting := &counted{Mode: r}
	g := NewGuard(counting, p, home)
	g.Start(func(refused *protocol.Error) { lapsed <- refused })
	require.Equal(t, protocol.CodeUnavailable, (<-lapsed).Code)
	require.EqualValues(t, 1, counting.asked.Load(), "the guard has no patience of its own")
	g.Stop()
	l.fail(nil)
	require.NoError(t, r.read(t.Context(), time.Minute))
	require.Nil(t, r.Allow(t.Context(), p, home, Read))
	l.fail(away)
	_, err := ReadRevocations(t.Context(), tokens(), l, slog.New(slog.DiscardHandler))
	require.Error(t, err)
}

// counted is a mode that counts how often it is asked.
type counted struct {
	Mode
	asked atomic.Int64
}

func (c *counted) Allow(ctx context.Context, p Principal, s protocol.Scope, right Right) *protocol.Error {
	c.asked.Add(1)
	return c.Mode.Allow(ctx, p, s, right)
}

// TestRevocationIsNeverShortened by a later one.
func TestRevocationIsNeverShortened(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	require.NoError(t, RevokeUser(t.Context(), l, "u1", 720*time.Hour))
	first := l.entries[0]
	require.NoError(t, RevokeUser(t.Context(), l, "u1", time.Hour))
	require.Len(t, l.entries, 1)
	require.Equal(t, first.Expires, l.entries[0].Expires)
	require.False(t, l.entries[0].At.Before(first.At))
	require.NoError(t, RevokeUser(t.Context(), l, "u1", 721*time.Hour))
	require.True(t, l.entries[0].Expires.After(first.Expires))
}
