package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRevocationsAreReadAgain every few seconds, sooner after a failure, which the log tells once.
func TestRevocationsAreReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLedger{}
		var lines bytes.Buffer
		mode := newJWT(secret, "issuer", "gateway", DefaultClaims, time.Now)
		r, err := ReadRevocations(t.Context(), mode, l, slog.New(slog.NewTextHandler(&lines, nil)))
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		after := func(d time.Duration) int { time.Sleep(d); synctest.Wait(); return l.calls() }
		require.Equal(t, 1, after(revokedInterval-1))
		require.Equal(t, 2, after(1))
		l.fail(away)
		require.Equal(t, 3, after(revokedInterval))
		require.Equal(t, 4, after(revokedAgain))
		require.Equal(t, 1, strings.Count(lines.String(), "level=WARN"), "%s", &lines)
		l.fail(nil)
		require.NoError(t, RevokeToken(t.Context(), l, "j1", time.Hour))
		asked := l.calls()
		require.Equal(t, asked+1, after(revokedAgain))
		require.Len(t, r.known.Load().when, 1)
		stop()
		<-done
	})
}

// TestRevocationThatCannotBeKept is not said to hold.
func TestRevocationThatCannotBeKept(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{fails: errors.New("away")}
	require.Error(t, RevokeToken(t.Context(), l, "j1", time.Hour))
	require.Error(t, RevokeUser(t.Context(), l, "u1", time.Hour))
}
