package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// expired requires that a cursor cannot be resumed.
func expired(t *testing.T, b *postgres.Backend, c backends.Cursor) {
	t.Helper()
	_, err := b.Cursor(context.Background(), c.Append(nil))
	require.ErrorIs(t, err, backends.ErrCursor)
	_, err = b.Since(context.Background(), scope, c, 0)
	require.ErrorIs(t, err, backends.ErrCursor)
	_, err = b.Watch(context.Background(), c)
	require.ErrorIs(t, err, backends.ErrCursor)
}

// awaitServer waits until a backend has reconnected to its server.
func awaitServer(t *testing.T, b *postgres.Backend) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, _, err := b.Get(context.Background(), note("none"), nil)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
}

// requireExact requires that lists, the feed and Since are exact from here on.
func requireExact(t *testing.T, b *postgres.Backend, f backends.Feed) {
	t.Helper()
	page := list(t, b)
	for i := range 10 {
		id := fmt.Sprint("after", time.Now().UnixNano(), i)
		write(t, b, tx(insert(id, `{}`)))
		require.Equal(t, []string{id}, ids(changesNow(t, b, f)))
	}
	require.Equal(t, copied(list(t, b)), fold(copied(page), since(t, b, page.Cursor).Changes))
	require.Equal(t, copied(list(t, b)), fold(copied(page), changesNow(t, b, watch(t, b, page.Cursor))))
}

// requireLostAll reads a feed until a batch says that everything is lost.
func requireLostAll(t *testing.T, f backends.Feed) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		batch, err := f.Next(ctx)
		require.NoError(t, ctx.Err())
		if err == nil && batch.LostAll {
			return
		}
		require.Empty(t, batch.Changes)
	}
}

// xmax is the first transaction that a cursor's snapshot does not show.
func xmax(t *testing.T, c backends.Cursor) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.Split(postgrestest.Snapshot(c), ":")[1], 10, 64)
	require.NoError(t, err)
	return n
}

// TestCrashReissuesNumbers: a server that is killed soon after transactions were rolled back gives
// their numbers to others. A cursor that counts them as visible must expire, or it would hide the
// new transactions.
func TestCrashReissuesNumbers(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t, "wal_writer_delay = 10s") // little except commits is written to disk
	b := open(t, c.URL())
	for round := 1; !reissues(t, c, b, fmt.Sprint("kept", round)); round++ {
		require.Less(t, round, 10, "the numbers have never come again: the test shows nothing")
	}
}

// reissues rolls back, kills and restarts the server, and checks what follows. It returns false if
// the numbers were not issued again, because other activity has written them to disk.
func reissues(t *testing.T, c *postgrestest.Cluster, b *postgres.Backend, id string) bool {
	t.Helper()
	f := watch(t, b, nil)
	kept := write(t, b, tx(insert(id, `{}`))).Changes[0].Doc
	require.Equal(t, []string{id}, ids(changesNow(t, b, f)))
	stranger := outsider(t, c.URL())
	for range 500 { // many: an announcement of the gateway may still write the first ones to disk
		stranger.do("BEGIN")
		stranger.do(put("undone", `{}`))
		stranger.do("ROLLBACK")
	}
	old := now(t, b)
	require.NoError(t, c.Kill9())
	require.NoError(t, c.Restart())
	awaitServer(t, b)
	write(t, b, tx(insert("after-"+id, `{}`)))
	again := xmax(t, now(t, b)) <= xmax(t, old)
	expired(t, b, old)
	require.Equal(t, kept, get(t, b, note(id)))
	requireLostAll(t, f)
	requireExact(t, b, f)
	expired(t, b, old)
	return again
}

// TestBackendKilled: when one process of the server is killed, all sessions end and UNLOGGED tables
// are emptied, but the server goes on.
func TestBackendKilled(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t)
	b := open(t, c.URL())
	f, old := watch(t, b, nil), now(t, b)
	pid, err := strconv.Atoi(outsider(t, c.URL()).value("pg_backend_pid()"))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	// the server needs a moment to notice; until then old may resume, or a connection may end
	require.Eventually(t, func() bool {
		_, err := b.Cursor(context.Background(), old.Append(nil))
		return errors.Is(err, backends.ErrCursor)
	}, 30*time.Second, 10*time.Millisecond)
	expired(t, b, old)
	requireLostAll(t, f)
	requireExact(t, b, f)
}

// TestEpochLostUnderWrites: a write that is stored without an epoch is answered as unknown. It is
// not tried again, because it would be refused for what it has stored itself. The next write finds
// a new epoch, even if nobody reads.
func TestEpochLostUnderWrites(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	stranger := outsider(t, url)
	for i, lost := range []backends.Tx{
		tx(insert("0", `{}`)),
		tx(insert("1", `{}`), insert("10", `{}`)),
	} {
		stranger.do("DELETE FROM app_data_epoch")
		_, err := backends.WriteOne(context.Background(), b, lost)
		require.Equal(t, protocol.CodeUnavailable, protocol.CodeOf(err), "%v", err)
		write(t, b, tx(insert(fmt.Sprint("next", i), `{}`)))
		require.NotNil(t, get(t, b, note(strconv.Itoa(i))))
		requireExact(t, b, watch(t, b, nil))
	}
}

// TestCleanRestart: cursors and feeds survive an operator's restart, and miss no commit around it.
func TestCleanRestart(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t)
	b := open(t, c.URL())
	old := now(t, b)
	write(t, b, tx(insert("before", `{}`)))
	require.NoError(t, c.Restart())
	awaitServer(t, b)
	write(t, b, tx(insert("after", `{}`)))
	require.Equal(t, []string{"before", "after"}, ids(since(t, b, old).Changes))
	require.Equal(t, []string{"before", "after"}, ids(changesNow(t, b, watch(t, b, old))))
}

// TestStandby: a standby is refused, because its snapshots hide open transactions. Once it is
// promoted it serves. Cursors of the primary expire, because the primary may have gone on.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t)
	b := open(t, primary.URL())
	write(t, b, tx(insert("a", `{}`)))
	old := now(t, b)
	standby := primary.Standby(t)
	_, err := postgres.Open(context.Background(), postgres.Options{URL: standby.URL()})
	require.ErrorContains(t, err, "standby")
	require.NoError(t, primary.Stop())
	standby.Promote(t)
	promoted := open(t, standby.URL())
	expired(t, promoted, old)
	require.NotNil(t, get(t, promoted, note("a")))
	requireExact(t, promoted, watch(t, promoted, nil))
	expired(t, promoted, old)
}

// TestFailover: a gateway that knows both servers switches to the one that takes writes.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	const both = "postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres" +
		"?sslmode=disable&target_session_attrs=read-write"
	b := open(t, fmt.Sprintf(both, standby.Port(), primary.Port()))
	f, old := watch(t, b, nil), now(t, b)
	write(t, b, tx(insert("a", `{}`)))
	require.Equal(t, []string{"a"}, ids(changesNow(t, b, f)))
	require.Eventually(t, func() bool {
		count, err := postgrestest.TryPSQL(standby.URL(), "SELECT count(*) FROM app_data")
		return err == nil && count == "1"
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, primary.Kill9())
	standby.Promote(t)
	awaitServer(t, b)
	requireLostAll(t, f)
	expired(t, b, old)
	require.NotNil(t, get(t, b, note("a")))
	requireExact(t, b, f)
}

// TestRestoreElsewhere: a dump that is loaded into another server brings a log and a floor with
// numbers from the future of that server.
func TestRestoreElsewhere(t *testing.T) {
	t.Parallel()
	from := postgrestest.Start(t)
	b := open(t, from.URL())
	postgrestest.PSQL(t, from.URL(), "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); "+
		"COMMIT; END LOOP; END $$")
	write(t, b, tx(insert("a", `{"n":1}`)))
	require.NoError(t, b.Trim(context.Background(), time.Now()))
	write(t, b, tx(insert("b", `{"n":1}`)))
	old, file := now(t, b), filepath.Join(t.TempDir(), "dump.sql")
	postgrestest.Dump(t, from.URL(), file)
	to := postgrestest.Start(t)
	postgrestest.PSQL(t, to.URL(), "DROP SCHEMA public;\n\\i "+file)
	restored := open(t, to.URL())
	require.Less(t, xmax(t, now(t, restored)), xmax(t, old),
		"the log's numbers are not from the future: the test shows nothing")
	expired(t, restored, old)
	require.Len(t, list(t, restored).Docs, 2)
	f := watch(t, restored, nil)
	require.Empty(t, changesNow(t, restored, f))
	requireExact(t, restored, f)
	require.Eventually(t, func() bool { // an announcement of ours is a transaction too, and moves the floor
		fresh := now(t, restored)
		require.NoError(t, restored.Trim(context.Background(), time.Now()))
		_, err := restored.Cursor(context.Background(), fresh.Append(nil))
		return err == nil
	}, 30*time.Second, 50*time.Millisecond, "nothing has been committed since")
	expired(t, restored, old)
}

// TestRestoreUnderneath: loading a dump in place of the tables while a gateway runs makes cursors
// expire.
func TestRestoreUnderneath(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	b.Unguarded()
	write(t, b, tx(insert("a", `{"n":1}`)))
	file := filepath.Join(t.TempDir(), "dump.sql")
	postgrestest.Dump(t, url, file)
	write(t, b, tx(insert("lost", `{}`)))
	f, old := watch(t, b, nil), now(t, b)
	postgrestest.PSQL(t, url, "DROP SCHEMA "+postgrestest.SchemaOf(url)+" CASCADE;\n\\i "+file)
	awaitServer(t, b)
	expired(t, b, old)
	requireLostAll(t, f)
	require.Len(t, list(t, b).Docs, 1)
	requireExact(t, b, f)
}
