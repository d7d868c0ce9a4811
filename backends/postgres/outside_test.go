package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// columns is the beginning of an INSERT of a row. Its values follow.
const columns = "INSERT INTO app_data (workspace_id, app_id, collection, id, data) VALUES "

const rows = columns + `('w', 'app', 'notes', 'a', '{"n":1}'), ('w', 'app', 'notes', 'b', '{"n":1}');`

// TestOutsideStatements: whatever statement psql uses to change documents, the feed and Since
// return what it did.
func TestOutsideStatements(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, before, sql, want string }{
		{"insert", "", rows, `a:insert{"n":1} b:insert{"n":1}`},
		{"insert of a time and no id", "",
			`INSERT INTO app_data (workspace_id, app_id, collection, data, created_at)
			VALUES ('w', 'app', 'notes', '{}', '2020-01-01Z')`, `*:insert{}`},
		{"upsert", rows, columns + `('w', 'app', 'notes', 'a', '{"n":2}')
			ON CONFLICT (workspace_id, app_id, collection, id) DO UPDATE SET data = excluded.data`, `a:update{"n":2}`},
		{"upsert that does nothing", rows, columns + `('w', 'app', 'notes', 'a', '{"n":2}') ON CONFLICT DO NOTHING`,
			``},
		{"copy", "", "COPY app_data (workspace_id, app_id, collection, id, data) FROM " +
			"stdin;\nw\tapp\tnotes\ta\t{\"n\":1}\nw\tapp\tnotes\tb\t{ \"n\":2.0 }\n\\.\n",
			`a:insert{"n":1} b:insert{"n":2}`},
		{"update", rows, `UPDATE app_data SET data = '{"n":2}' WHERE id = 'a'`, `a:update{"n":2}`},
		{"update within the document", rows, `UPDATE app_data SET data = jsonb_set(data, '{m}', '[1.50]')`,
			`a:update{"m":[1.5],"n":1} b:update{"m":[1.5],"n":1}`},
		{"update of no row", rows, `UPDATE app_data SET data = '{}' WHERE id = 'none'`, ``},
		{"key update", rows, `UPDATE app_data SET id = 'c' WHERE id = 'a'`, `a:delete c:insert{"n":1}`},
		{"key and data update", rows, `UPDATE app_data SET id = 'c', data = '{}' WHERE id = 'a'`,
			`a:delete c:insert{}`},
		{"key update into another app", rows, `UPDATE app_data SET app_id = 'other' WHERE id = 'a'`, `a:delete`},
		{"key update into a draft", rows, `UPDATE app_data SET app_id = 'app__draft' WHERE id = 'a'`, `a:delete`},
		{"delete", rows, `DELETE FROM app_data WHERE id = 'a'`, `a:delete`},
		{"delete of all", rows, `DELETE FROM app_data`, `a:delete b:delete`},
		{"delete and insert again", rows, `BEGIN; DELETE FROM app_data; ` + rows + ` COMMIT`,
			`a:update{"n":1} b:update{"n":1}`},
		{"rolled back", rows, `BEGIN; DELETE FROM app_data; ROLLBACK`, ``},
		{"savepoints", rows, `BEGIN; SAVEPOINT x; UPDATE app_data SET data = '{"n":2}' WHERE id = 'a'; SAVEPOINT y;
			DELETE FROM app_data; ROLLBACK TO y; RELEASE x; COMMIT`, `a:update{"n":2}`},
		{"a block with an exception", rows, `DO $$ BEGIN DELETE FROM app_data WHERE id = 'b'; BEGIN DELETE
			FROM app_data; RAISE 'x'; EXCEPTION WHEN raise_exception THEN NULL; END; END $$`, `b:delete`},
		{"replica role", rows, `SET session_replication_role = replica; DELETE FROM app_data WHERE id = 'a';
			UPDATE app_data SET data = '{}' WHERE id = 'b'; ` + columns + `('w', 'app', 'notes', 'c', '{}')`,
			`a:delete b:update{} c:insert{}`},
		{"a temporary table of the log's name", rows, `CREATE TEMP TABLE app_data_changes (n int);
			SET search_path = pg_temp, pg_catalog; UPDATE SCHEMA.app_data SET data = '{}' WHERE id = 'a'`,
			`a:update{}`},
		{"prepared and committed", rows, `SET secondgate.notify = off; BEGIN; DELETE FROM app_data WHERE id = 'a';
			PREPARE TRANSACTION 'SCHEMA'; COMMIT PREPARED 'SCHEMA'`, `a:delete`},
		{"prepared and rolled back", rows, `SET secondgate.notify = off; BEGIN; DELETE FROM app_data WHERE id = 'a';
			PREPARE TRANSACTION 'SCHEMA'; ROLLBACK PREPARED 'SCHEMA'`, ``},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			postgrestest.PSQL(t, url, test.before)
			start := now(t, b)
			f := watch(t, b, start)
			postgrestest.PSQL(t, url, strings.ReplaceAll(test.sql, "SCHEMA", postgrestest.SchemaOf(url)))
			require.Equal(t, test.want, summary(changesNow(t, b, f)), "the feed")
			require.Equal(t, test.want, summary(since(t, b, start).Changes), "since")
		})
	}
}

// summary is the changes of one scope as text, with * for a server-made id.
func summary(changes []backends.Change) string {
	var parts []string
	for _, c := range changes {
		if c.Ref.Scope != scope {
			continue
		}
		id, data := c.Ref.ID, ""
		if protocol.ServerMade(id) {
			id = "*"
		}
		if c.Doc != nil {
			data = string(c.Doc.Data)
		}
		parts = append(parts, id+":"+c.Op.String()+data)
	}
	return strings.Join(parts, " ")
}

// TestPrepared: changes of a prepared transaction are returned once it is committed, however late
// that is, and delay no others. PostgreSQL refuses to prepare a transaction that has notified;
// secondgate.notify exists for that.
func TestPrepared(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	name := postgrestest.SchemaOf(url)
	out, err := postgrestest.TryPSQL(url, "BEGIN; "+put("a", `{}`)+"; PREPARE TRANSACTION '"+name+"'")
	require.Error(t, err)
	require.Contains(t, out, "ERROR:  0A000")
	f := watch(t, b, nil)
	postgrestest.PSQL(t, url, "SET secondgate.notify = off; BEGIN; "+put("prepared",
		`{}`)+"; PREPARE TRANSACTION '"+name+"'")
	write(t, b, tx(insert("meanwhile", `{}`)))
	require.Equal(t, "meanwhile:insert{}", summary(changesNow(t, b, f)))
	between := f.Cursor()
	postgrestest.PSQL(t, url, "COMMIT PREPARED '"+name+"'")
	require.Equal(t, "prepared:insert{}", summary(changesNow(t, b, f)))
	require.Equal(t, "prepared:insert{}", summary(since(t, b, between).Changes))
}

// TestTruncate: TRUNCATE voids the copies of all scopes, and the feed goes on.
func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"origin", "replica"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			write(t, b, tx(insert("a", `{}`)))
			start := now(t, b)
			f := watch(t, b, start)
			postgrestest.PSQL(t, url, "SET session_replication_role = "+role+"; TRUNCATE app_data")
			require.True(t, next(t, f).LostAll)
			require.Empty(t, list(t, b).Docs)
			write(t, b, tx(insert("b", `{}`)))
			require.Equal(t, "b:insert{}", summary(changesNow(t, b, f)))
			require.Equal(t, []protocol.Scope{scope}, since(t, b, start).Lost)
			require.Equal(t, []protocol.Scope{{Workspace: "other", App: "app"}}, lostOf(t, b, start))
			require.True(t, next(t, watch(t, b, start)).LostAll)
		})
	}
}

func lostOf(t *testing.T, b backends.Backend, from backends.Cursor) []protocol.Scope {
	t.Helper()
	batch, err := b.Since(t.Context(), protocol.Scope{Workspace: "other", App: "app"}, from, 0)
	require.NoError(t, err)
	return batch.Lost
}

// TestStamping: an outside update of data moves updated_at forward, whatever the clock says, unless
// it sets updated_at itself.
func TestStamping(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	postgrestest.PSQL(t, url, `INSERT INTO app_data
		VALUES ('w', 'app', 'notes', 'old', '{"n":1}', '2001-01-01Z', '2001-01-02Z'),
		('w', 'app', 'notes', 'future', '{"n":1}', '2001-01-01Z', '2300-01-01Z'),
		('w', 'app', 'notes', 'own', '{"n":1}', '2001-01-01Z', '2001-01-02Z'),
		('w', 'app', 'notes', 'same', '{"n":1}', '2001-01-01Z', '2001-01-02Z'),
		('w', 'app', 'notes', 'replica', '{"n":1}', '2001-01-01Z', '2001-01-02Z');
		UPDATE app_data SET data = '{"n":2}' WHERE id IN ('old', 'future');
		UPDATE app_data SET data = '{"n":2}', updated_at = '2001-01-03Z' WHERE id = 'own';
		UPDATE app_data SET data = data WHERE id = 'same';
		SET session_replication_role = replica;
		UPDATE app_data SET data = '{"n":2}' WHERE id = 'replica'`)
	updated := func(id string) time.Time { return get(t, b, note(id)).Updated }
	day := func(n int) time.Time { return time.Date(2001, 1, n, 0, 0, 0, 0, time.UTC) }
	require.WithinDuration(t, time.Now(), updated("old"), time.Minute)
	require.WithinDuration(t, time.Now(), updated("replica"), time.Minute)
	require.Equal(t, time.Date(2300, 1, 1, 0, 0, 0, 1e6, time.UTC), updated("future"))
	require.Equal(t, day(3), updated("own"))
	require.Equal(t, day(2), updated("same"))
	require.Equal(t, day(1), get(t, b, note("old")).Created)
}

// TestChecks: the table refuses rows that no reader could parse.
func TestChecks(t *testing.T) {
	t.Parallel()
	_, url := fresh(t)
	for _, values := range []string{
		`'w', 'app', 'notes', 'a', '[]'`, `'w', 'app', 'notes', 'a', 'null'`, `'w', 'app', 'notes', 'a', NULL`,
		`'w', 'app', 'notes', 'a', '{'`,
		`'w', 'app', 'notes', '', '{}'`, `'w', 'app', 'notes', NULL, '{}'`, `'w', 'app', '', 'a', '{}'`,
		`'w', '', 'notes', 'a', '{}'`, `'', 'app', 'notes', 'a', '{}'`,
		`'w', 'app', 'notes', 'a', '{}', '1969-12-31Z'`, `'w', 'app', 'notes', 'a', '{}', now(), '10000-01-01Z'`,
		`'w', 'app', 'notes', 'a', '{}', 'infinity'`,
		`'w', 'app', 'notes', 'a', '{}', NULL`,
	} {
		out, err := postgrestest.TryPSQL(url, fmt.Sprintf("INSERT INTO app_data VALUES (%s)", values))
		require.Error(t, err, "%s: %s", values, out)
	}
}

// TestLeastRight: writes of a role that may only write documents are returned as all others.
func TestLeastRight(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	name := postgrestest.SchemaOf(url)
	postgrestest.PSQL(t, url, fmt.Sprintf("CREATE ROLE %[1]s; GRANT USAGE ON SCHEMA %[1]s TO %[1]s; GRANT "+
		"SELECT, INSERT, UPDATE, DELETE ON app_data TO %[1]s", name))
	t.Cleanup(func() { postgrestest.PSQL(t, url, fmt.Sprintf("DROP OWNED BY %[1]s; DROP ROLE %[1]s", name)) })
	f := watch(t, b, nil)
	postgrestest.PSQL(t, url, "SET ROLE "+name+"; "+rows+` UPDATE app_data SET data = '{}' WHERE id = 'a';
		DELETE FROM app_data WHERE id = 'b'`)
	require.Equal(t, "a:insert{} b:delete", summary(changesNow(t, b, f)))
	out, err := postgrestest.TryPSQL(url, "SET ROLE "+name+"; DELETE FROM app_data_changes")
	require.Error(t, err)
	require.Contains(t, out, "ERROR:  42501")
}
