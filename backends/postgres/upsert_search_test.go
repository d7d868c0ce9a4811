package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/protocol"
)

// crowd opens a collection of 2,500 documents. Each contains {"k":{"a":1}}, and none equals it.
func crowd(t *testing.T) (*postgres.Backend, session, string) {
	t.Helper()
	b, url := fresh(t)
	stranger := outsider(t, url)
	stranger.do(`INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		SELECT 'w', 'app', 'notes', 'd' || n,
			jsonb_build_object('n', n, 'k', jsonb_build_object('a', 1, 'b', n)) FROM generate_series(1, 2500) AS n`)
	return b, stranger, url
}

// TestSearchHoldsNoLock: while a collection is being searched for an upsert, others write into it
// and upsert by the same fields and by other ones. When the caller leaves, the server's search ends.
func TestSearchHoldsNoLock(t *testing.T) {
	t.Parallel()
	b, stranger, url := crowd(t)
	looker := outsider(t, url)
	pid := stranger.value("pg_backend_pid()")
	stranger.do("BEGIN")
	stranger.do("LOCK TABLE app_data_meta") // which a search reads first, and writes do not
	ctx, leave := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		_, err := backends.WriteOne(ctx, b, tx(find(t, `{"k":{"a":1}}`, protocol.NewID(time.Now()))))
		answer <- err
	}()
	const held = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::text::int = " +
		"ANY(pg_blocking_pids(pid)) AND query LIKE '%floor%' AND backend_xid IS NULL AND backend_xmin IS NOT NULL)"
	require.Eventually(t, func() bool { return looker.value(held, pid) == "true" }, 30*time.Second,
		2*time.Millisecond)
	for _, filter := range []string{`{"k":1}`, `{"k":{"a":1,"b":7}}`, `{"n":8}`, `{"n":8,"new":1}`} {
		write(t, b, tx(find(t, filter, protocol.NewID(time.Now()))))
	}
	write(t, b, tx(insert("plain", `{"k":2}`)))
	write(t, b, tx(upsert("d9", `{"k":2}`)))
	const locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid IN (SELECT pid FROM " +
		"pg_stat_activity WHERE $1::text::int = ANY(pg_blocking_pids(pid)))"
	require.Equal(t, "0", looker.value(locks, pid))
	require.Equal(t, "true", looker.value(held, pid), "the search was over: the test shows nothing")
	leave()
	require.ErrorIs(t, <-answer, context.Canceled)
	require.Eventually(t, func() bool { return looker.value(held, pid) == "false" }, 30*time.Second,
		2*time.Millisecond)
	stranger.do("ROLLBACK")
	for _, op := range []backends.Op{backends.Insert, backends.Update} {
		out := write(t, b, tx(find(t, `{"k":{"a":1}}`, protocol.NewID(time.Now()))))
		require.Equal(t, op, out.Changes[0].Op)
	}
}

// planOf is the plan of a statement with these parameters.
func (s session) planOf(sql, parameters string) (plan string) {
	s.Helper()
	s.do("PREPARE explained AS " + sql)
	rows, err := s.Query(context.Background(), "EXPLAIN EXECUTE explained "+parameters)
	require.NoError(s, err)
	for rows.Next() {
		var line string
		require.NoError(s, rows.Scan(&line))
		plan += line + "\n"
	}
	require.NoError(s, rows.Err())
	s.do("DEALLOCATE explained")
	return plan
}

// TestPlans: what a transaction reads under its locks is served by indexes, and a page of a list
// begins where the index seeks to, without statistics and with them.
func TestPlans(t *testing.T) {
	t.Parallel()
	b, stranger, _ := crowd(t)
	plans := func() {
		for sql, parameters := range b.UpsertReads() {
			stranger.do("BEGIN")
			stranger.do(postgres.UpsertSettings)
			plan := stranger.planOf(sql, parameters)
			require.NotContains(t, plan, "Seq Scan on app_data", sql+"\n"+plan)
			stranger.do("ROLLBACK")
		}
		for sql, parameters := range b.PageReads() {
			plan := stranger.planOf(sql+" LIMIT 100", parameters)
			require.Contains(t, plan, "Index Scan using app_data_by_time", plan)
			require.NotContains(t, plan, "Filter", plan)
			require.NotContains(t, plan, "Sort", plan)
		}
	}
	plans()
	stranger.do("ANALYZE app_data, app_data_changes")
	plans()
}

// TestSearchedInTheMeantime: what others commit between a search and its transaction counts.
func TestSearchedInTheMeantime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then  string // SQL of another program
		means string // "" for a new document
		err   error
	}{
		"nothing":           {"SELECT 1", "b", nil},
		"another document":  {put("x", `{}`), "b", nil},
		"a newer match":     {put("x", `{"k":1}`), "x", nil},
		"the match changed": {`UPDATE app_data SET data = data || '{"n":1}' WHERE id = 'b'`, "b", nil},
		"no match any more": {`UPDATE app_data SET data = '{"k":2}' WHERE id = 'b'`, "", driverkit.ErrSearchFirst},
		"the match gone":    {"DELETE FROM app_data WHERE id = 'b'", "", driverkit.ErrSearchFirst},
		"truncated":         {"TRUNCATE app_data", "", driverkit.ErrSearchFirst},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			for _, id := range []string{"a", "b"} {
				write(t, b, tx(insert(id, `{"k":1}`)))
			}
			stranger := outsider(t, url)
			stranger.do("UPDATE app_data SET updated_at = '2020-01-01Z' WHERE id = 'a'")
			upsert := tx(find(t, `{"k":1}`, protocol.NewID(time.Now())))
			carryOut, err := b.SearchFirst(t.Context(), &upsert)
			require.NoError(t, err)
			stranger.do(c.then)
			out := carryOut()
			require.ErrorIs(t, out.Err, c.err)
			if c.err == nil {
				require.Equal(t, c.means, out.Changes[0].Ref.ID)
			}
		})
	}
}

// TestSearchSeesItsTransaction: an upsert that was searched for comes after the writes before it.
func TestSearchSeesItsTransaction(t *testing.T) {
	t.Parallel()
	b, _, _ := crowd(t)
	id := protocol.NewID(time.Now())
	write(t, b, tx(insert("old", `{"k":{"a":1}}`)))
	out := write(t, b, tx(
		backends.Write{Op: backends.Delete, Collection: "notes", ID: "old"},
		find(t, `{"k":{}}`, id), find(t, `{"k":{}}`, protocol.NewID(time.Now())),
	))
	require.Equal(t, id, out.Changes[1].Ref.ID)
	require.Equal(t, id, out.Changes[2].Ref.ID)
}
