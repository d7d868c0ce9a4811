package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// TestUpsertRunKeepsOrder: of two upserts of one call, another program changes the first one's
// document after it was found. The first upsert is repeated, and the second, which nothing hinders,
// does not take effect before it.
func TestUpsertRunKeepsOrder(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	stranger, looker := outsider(t, url), outsider(t, url)
	pid := stranger.value("pg_backend_pid()")
	// in some rounds the other program's lock may outlast the group's lock_timeout: then both are
	// repeated
	for round := range 10 {
		old := fmt.Sprint("a", round)
		write(t, b, tx(insert(old, fmt.Sprintf(`{"old":%d}`, round))))
		stranger.do("BEGIN")
		stranger.do("UPDATE app_data SET data = data || '{\"stranger\":1}' WHERE id = '" + old + "'")
		answers := make(chan []backends.Outcome, 1)
		made := protocol.NewID(time.Now())
		go func() {
			answers <- b.Write(context.Background(), []backends.Tx{
				tx(find(t, fmt.Sprintf(`{"old":%d}`, round), "")),
				tx(find(t, fmt.Sprintf(`{"old":%d}`, 100+round), made)),
			})
		}()
		const waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::text::int = " +
			"ANY(pg_blocking_pids(pid)))"
		require.Eventually(t, func() bool { return looker.value(waits, pid) == "true" }, 10*time.Second,
			2*time.Millisecond)
		stranger.do("COMMIT")
		for _, o := range <-answers {
			require.NoError(t, o.Err)
		}
		const ordered = "SELECT (SELECT max(seq) FROM app_data_changes WHERE id = $1) < (SELECT max(seq) FROM " +
			"app_data_changes WHERE id = $2)"
		require.Equal(t, "true", looker.value(ordered, old, made), "the second upsert took effect before the first")
		require.Contains(t, looker.value("SELECT data::text FROM app_data WHERE id = $1", old), "stranger")
	}
}

// find is an upsert by a filter.
func find(t *testing.T, filter, id string) backends.Write {
	t.Helper()
	f, err := protocol.ParseFilter([]byte(filter), false)
	require.NoError(t, err)
	return backends.Write{Op: backends.Upsert, Collection: "notes", NewID: id, Filter: &f,
		Data: []byte(`{"n":1}`)}
}
