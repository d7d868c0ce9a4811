package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/server"
	"github.com/secondgate/secondgate/protocol"
)

// through is a gateway's URL by way of a proxy in front of its server.
func through(t *testing.T, text string) (p *server.Proxy, by string) {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	p = server.NewProxy(t, u.Host)
	u.Host = fmt.Sprintf("127.0.0.1:%d", p.Port())
	return p, u.String()
}

// within has somebody else commit and requires that a feed tells it within a time.
func within(t *testing.T, f backends.Feed, url, id string, limit time.Duration) {
	t.Helper()
	begun := time.Now()
	postgrestest.PSQL(t, url, put(id, `{}`))
	for {
		if batch := next(t, f); len(batch.Changes) > 0 {
			require.Equal(t, []string{id}, ids(batch.Changes))
			require.Less(t, time.Since(begun), limit)
			return
		}
	}
}

// slack is what a poll may take longer on a machine that is busy with other tests.
const slack = 2 * time.Second

const notHeard = "notifications of PostgreSQL are not heard"

// TestDeaf: a LISTEN that nobody answers, or that goes silent without a word, costs no change and
// is told of.
func TestDeaf(t *testing.T) {
	t.Parallel()
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		server := postgrestest.Schema(t)
		hole, direct := through(t, server)
		hole.Freeze()
		var log logged
		b := openWith(t, postgres.Options{URL: server, Direct: direct, Log: log.logger()})
		within(t, watch(t, b, nil), server, "a", time.Second+slack)
		require.Eventually(t, func() bool { return log.has(notHeard) }, 30*time.Second, 10*time.Millisecond)
	})
	t.Run("after a while", func(t *testing.T) {
		t.Parallel()
		server := postgrestest.Schema(t)
		hole, direct := through(t, server)
		var log logged
		b := openWith(t, postgres.Options{URL: server, Direct: direct, Log: log.logger()})
		f := watch(t, b, nil)
		within(t, f, server, "a", time.Second+slack)
		require.Eventually(t, func() bool { return log.has("notifications of PostgreSQL are heard") }, 30*time.Second, 10*time.Millisecond)
		hole.Freeze()
		for i := range 5 {
			within(t, f, server, fmt.Sprint("b", i), time.Second+slack)
		}
		require.Eventually(t, func() bool { return log.has(notHeard) }, 40*time.Second, 10*time.Millisecond)
	})
}

// TestBlackHole: when the whole server is silent, requests end by their deadline with an error that
// says try again, the feed breaks instead of hanging, and all is well when it speaks again.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	hole, by := through(t, server)
	b := openWith(t, postgres.Options{URL: by})
	f := watch(t, b, nil)
	write(t, b, tx(insert("before", `{}`)))
	require.Equal(t, []string{"before"}, ids(told(t, b, f)))
	at := f.Cursor()
	hole.Freeze()
	for _, ask := range []func(context.Context) error{
		func(ctx context.Context) error { _, _, err := b.Get(ctx, note("before"), nil); return err },
		func(ctx context.Context) error {
			_, err := b.List(ctx, scope, backends.Query{Collection: "notes"})
			return err
		},
		func(ctx context.Context) error {
			_, err := backends.WriteOne(ctx, b, tx(insert("in", `{}`)))
			return err
		},
		func(ctx context.Context) error { _, err := b.Since(ctx, scope, at, 0); return err },
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		begun := time.Now()
		err := ask(ctx)
		cancel()
		require.Less(t, time.Since(begun), 500*time.Millisecond+slack)
		require.True(t, errors.Is(err, context.DeadlineExceeded) || protocol.CodeOf(err) == protocol.CodeUnavailable, "%v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := f.Next(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "the feed hangs")
	hole.Thaw()
	back(t, b)
	postgrestest.PSQL(t, server, put("after", `{}`))
	require.Contains(t, ids(told(t, b, watch(t, b, at))), "after")
}

// TestCloseInBlackHole: a gateway can stop although its server is silent.
func TestCloseInBlackHole(t *testing.T) {
	t.Parallel()
	hole, by := through(t, postgrestest.Schema(t))
	b := openWith(t, postgres.Options{URL: by})
	write(t, b, tx(insert("a", `{}`)))
	hole.Freeze()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, _, err := b.Get(ctx, note("a"), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	begun := time.Now()
	require.NoError(t, b.Close())
	require.Less(t, time.Since(begun), 5*time.Second)
}

// TestTerminated: sessions that an administrator ends are replaced, and nothing is missed.
func TestTerminated(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t)
	b := open(t, c.URL())
	f := watch(t, b, nil)
	for i := range 5 {
		id := fmt.Sprint("d", i)
		postgrestest.PSQL(t, c.URL(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'secondgate'; "+put(id, `{}`))
		back(t, b)
		changes, from := []backends.Change(nil), f.Cursor()
		for end := now(t, b); !f.Cursor().Reached(end); {
			batch, err := f.Next(context.Background())
			if err != nil { // broken: watch again from where it was
				f = watch(t, b, from)
				continue
			}
			from, changes = batch.Cursor, append(changes, batch.Changes...)
		}
		require.Equal(t, []string{id}, ids(changes))
	}
}

// TestPooler: through pgbouncer in transaction mode everything works but LISTEN, which is said,
// with what to do; with a direct connection that works too.
func TestPooler(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	pooled := postgrestest.Pooler(t, postgrestest.URL(t), 5) + "&schema=" + postgrestest.SchemaOf(server)
	var deaf, hearing logged
	b := openWith(t, postgres.Options{URL: pooled, Log: deaf.logger()})
	require.Eventually(t, func() bool { return deaf.has(notHeard) && deaf.has("--backend-direct") }, 30*time.Second, 10*time.Millisecond)
	f := watch(t, b, nil)
	within(t, f, server, "outside", time.Second+slack)
	goesOn(t, b, f)
	for i := range 20 { // statements of one session, seen from others
		out := write(t, b, tx(backends.Write{Op: backends.Upsert, Collection: "notes", ID: "x", Data: []byte(fmt.Sprintf(`{"n":%d}`, i))}))
		require.Equal(t, string(out.Changes[0].Doc.Data), string(get(t, b, note("x")).Data))
	}
	direct := openWith(t, postgres.Options{URL: pooled, Direct: server, Log: hearing.logger()})
	require.Eventually(t, func() bool { return hearing.has("notifications of PostgreSQL are heard") }, 30*time.Second, 10*time.Millisecond)
	within(t, watch(t, direct, nil), server, "again", time.Second+slack)
}

// TestPoolerLeaksNothing: who writes through the same session after a gateway is not taken for it.
func TestPoolerLeaksNothing(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	pooler := postgrestest.Pooler(t, postgrestest.URL(t), 1)
	b := openWith(t, postgres.Options{URL: pooler + "&schema=" + postgrestest.SchemaOf(server), Direct: server})
	f := watch(t, b, nil)
	write(t, b, tx(insert("ours", `{}`)))
	write(t, b, tx(backends.Write{Op: backends.Update, Collection: "notes", ID: "ours", Data: []byte(`{"n":1}`)}))
	name := postgrestest.SchemaOf(server)
	require.Equal(t, "public", postgrestest.PSQL(t, pooler, "SELECT coalesce(nullif(current_setting('secondgate.actor', true), ''), 'public')"))
	postgrestest.PSQL(t, pooler, fmt.Sprintf(`INSERT INTO %s.app_data (workspace_id, app_id, collection, id, data) VALUES ('w', 'app', 'notes', 'theirs', '{}')`, name))
	for _, c := range told(t, b, f) {
		if c.Ref.ID == "theirs" {
			require.Zero(t, c.By)
		} else {
			require.Equal(t, robot, c.By)
		}
	}
}

// logged is a log that tests look into.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(text))
}
