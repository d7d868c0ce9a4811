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

// viaProxy returns the URL of a proxy in front of a gateway's server.
func viaProxy(t *testing.T, text string) (p *server.Proxy, by string) {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	p = server.NewProxy(t, u.Host)
	u.Host = fmt.Sprintf("127.0.0.1:%d", p.Port())
	return p, u.String()
}

// requireChangeWithin commits with another program. A feed must return the change within the limit.
func requireChangeWithin(t *testing.T, f backends.Feed, url, id string, limit time.Duration) {
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

// slack is how much longer a poll may take on a machine that is busy with other tests.
const slack = 2 * time.Second

const notHeard = "notifications of PostgreSQL are not heard"

// TestListenFails: if LISTEN gets no answer, or its connection goes silent, no change is lost and
// the log says so.
func TestListenFails(t *testing.T) {
	t.Parallel()
	t.Run("from the start", func(t *testing.T) {
		t.Parallel()
		server := postgrestest.Schema(t)
		hole, direct := viaProxy(t, server)
		hole.Freeze()
		var log testLog
		b := openWith(t, postgres.Options{URL: server, Direct: direct, Log: log.logger()})
		requireChangeWithin(t, watch(t, b, nil), server, "a", time.Second+slack)
		require.Eventually(t, func() bool { return log.has(notHeard) }, 30*time.Second, 10*time.Millisecond)
	})
	t.Run("after a while", func(t *testing.T) {
		t.Parallel()
		server := postgrestest.Schema(t)
		hole, direct := viaProxy(t, server)
		var log testLog
		b := openWith(t, postgres.Options{URL: server, Direct: direct, Log: log.logger()})
		f := watch(t, b, nil)
		requireChangeWithin(t, f, server, "a", time.Second+slack)
		require.Eventually(t, func() bool { return log.has("notifications of PostgreSQL are heard") },
			30*time.Second, 10*time.Millisecond)
		hole.Freeze()
		for i := range 5 {
			requireChangeWithin(t, f, server, fmt.Sprint("b", i), time.Second+slack)
		}
		require.Eventually(t, func() bool { return log.has(notHeard) }, 40*time.Second, 10*time.Millisecond)
	})
}

// TestSilentServer: while the server is silent, requests end by their deadline with a retryable
// error, and the feed breaks. All work again when the server answers.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	hole, by := viaProxy(t, server)
	b := openWith(t, postgres.Options{URL: by})
	f := watch(t, b, nil)
	write(t, b, tx(insert("before", `{}`)))
	require.Equal(t, []string{"before"}, ids(changesNow(t, b, f)))
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
		require.True(t, errors.Is(err, context.DeadlineExceeded) ||
			protocol.CodeOf(err) == protocol.CodeUnavailable, "%v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := f.Next(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "the feed hangs")
	hole.Thaw()
	awaitServer(t, b)
	postgrestest.PSQL(t, server, put("after", `{}`))
	require.Contains(t, ids(changesNow(t, b, watch(t, b, at))), "after")
}

// TestCloseWithSilentServer: a gateway can stop although its server is silent.
func TestCloseWithSilentServer(t *testing.T) {
	t.Parallel()
	hole, by := viaProxy(t, postgrestest.Schema(t))
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

// TestTerminatedSessions: sessions that an administrator ends are replaced, and no change is
// missed.
func TestTerminatedSessions(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t)
	b := open(t, c.URL())
	f := watch(t, b, nil)
	for i := range 5 {
		id := fmt.Sprint("d", i)
		postgrestest.PSQL(t, c.URL(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "+
			"application_name = 'secondgate'; "+put(id, `{}`))
		awaitServer(t, b)
		changes, from := []backends.Change(nil), f.Cursor()
		for end := now(t, b); !f.Cursor().Reached(end); {
			batch, err := f.Next(context.Background())
			if err != nil { // the feed is broken: watch again from its cursor
				f = watch(t, b, from)
				continue
			}
			from, changes = batch.Cursor, append(changes, batch.Changes...)
		}
		require.Equal(t, []string{id}, ids(changes))
	}
}

// TestPooler: behind pgbouncer in transaction mode everything works except LISTEN, and the log says
// what to do. With a direct connection LISTEN works too.
func TestPooler(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	pooled := postgrestest.Pooler(t, postgrestest.URL(t), 5) + "&schema=" + postgrestest.SchemaOf(server)
	var pooledLog, directLog testLog
	b := openWith(t, postgres.Options{URL: pooled, Log: pooledLog.logger()})
	require.Eventually(t, func() bool { return pooledLog.has(notHeard) && pooledLog.has("--backend-direct") },
		30*time.Second, 10*time.Millisecond)
	f := watch(t, b, nil)
	requireChangeWithin(t, f, server, "outside", time.Second+slack)
	requireExact(t, b, f)
	for i := range 20 { // statements of one session, seen from other sessions
		out := write(t, b, tx(backends.Write{Op: backends.Upsert, Collection: "notes", ID: "x",
			Data: []byte(fmt.Sprintf(`{"n":%d}`, i))}))
		require.Equal(t, string(out.Changes[0].Doc.Data), string(get(t, b, note("x")).Data))
	}
	direct := openWith(t, postgres.Options{URL: pooled, Direct: server, Log: directLog.logger()})
	require.Eventually(t, func() bool { return directLog.has("notifications of PostgreSQL are heard") },
		30*time.Second, 10*time.Millisecond)
	requireChangeWithin(t, watch(t, direct, nil), server, "again", time.Second+slack)
}

// TestPoolerKeepsSettingsApart: a program that gets a gateway's session from the pooler is not
// taken for the gateway.
func TestPoolerKeepsSettingsApart(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	pooler := postgrestest.Pooler(t, postgrestest.URL(t), 1)
	b := openWith(t, postgres.Options{URL: pooler + "&schema=" + postgrestest.SchemaOf(server), Direct: server})
	f := watch(t, b, nil)
	write(t, b, tx(insert("ours", `{}`)))
	write(t, b, tx(backends.Write{Op: backends.Update, Collection: "notes", ID: "ours",
		Data: []byte(`{"n":1}`)}))
	name := postgrestest.SchemaOf(server)
	require.Equal(t, "public", postgrestest.PSQL(t, pooler,
		"SELECT coalesce(nullif(current_setting('secondgate.actor', true), ''), 'public')"))
	postgrestest.PSQL(t, pooler, fmt.Sprintf(`
		INSERT INTO %s.app_data (workspace_id, app_id, collection, id, data)
		VALUES ('w', 'app', 'notes', 'theirs', '{}')`, name))
	for _, c := range changesNow(t, b, f) {
		if c.Ref.ID == "theirs" {
			require.Zero(t, c.By)
		} else {
			require.Equal(t, robot, c.By)
		}
	}
}

// testLog is a log that tests can search.
type testLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *testLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *testLog) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.text.Bytes(), []byte(text))
}
