package sqlite_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
)

// TestTriggers counts the log rows of each kind of outside statement: one for each change, none
// without an effect.
func TestTriggers(t *testing.T) {
	t.Parallel()
	const row = `INSERT INTO app_data VALUES ('w', 'app', 'notes', 'a', '{"n":1}', 1000, 2000, NULL);`
	const other = `INSERT INTO app_data VALUES ('w', 'app', 'notes', 'b', '{}', 1000, 2000, NULL);`
	for _, test := range []struct{ name, before, sql, logged string }{
		{"insert", "", row, "a:insert"},
		{"insert with defaults", "", `INSERT INTO app_data (workspace_id, app_id, collection, id, data)
			VALUES ('w', 'app', 'notes', 'a', '{}');`, "a:insert"},
		{"update of data is stamped and logged once", row, `UPDATE app_data SET data = '{"n":2}';`, "a:update"},
		{"update of data and time", row, `UPDATE app_data SET data = '{"n":2}', updated_at = 3000;`, "a:update"},
		{"update of data and created_at", row, `UPDATE app_data SET data = '{"n":2}', created_at = 5;`, "a:update"},
		{"update of created_at", row, `UPDATE app_data SET created_at = 5;`, "a:update"},
		{"update of updated_at", row, `UPDATE app_data SET updated_at = 5;`, "a:update"},
		{"update of rev", row, `UPDATE app_data SET rev = 'x';`, ""},
		{"update of nothing", row, `UPDATE app_data SET data = data, id = id, updated_at = updated_at;`, ""},
		{"delete", row, `DELETE FROM app_data;`, "a:delete"},
		{"delete of all without WHERE", row + other, `DELETE FROM app_data;`, "a:delete b:delete"},
		{"move", row, `UPDATE app_data SET id = 'b';`, "a:delete b:insert"},
		{"move with data", row, `UPDATE app_data SET id = 'b', data = '{}';`, "a:delete b:insert"},
		{"upsert that updates", row, row[:len(row)-1] + ` ON CONFLICT DO UPDATE SET data = '{}';`, "a:update"},
		{"upsert that does nothing", row, row[:len(row)-1] + ` ON CONFLICT DO NOTHING;`, ""},
		{"refused data", row, `UPDATE OR IGNORE app_data SET data = '[]';`, ""},
		{"rolled back", row, `BEGIN; DELETE FROM app_data; ROLLBACK;`, ""},
	} {
		for _, recursive := range []string{"OFF", "ON"} {
			t.Run(test.name+" recursive "+recursive, func(t *testing.T) {
				t.Parallel()
				b := fresh(t)
				_, err := sqlitetest.TryCLI(b.Path(), test.before+`DELETE FROM app_data_changes WHERE seq > 0;`)
				require.NoError(t, err)
				out, _ := sqlitetest.TryCLI(b.Path(), "PRAGMA recursive_triggers = "+recursive+";"+test.sql)
				logged := sqlitetest.CLI(t, b.Path(), `SELECT group_concat(id || ':' || op, ' ') FROM (SELECT *
					FROM app_data_changes WHERE seq > 0 ORDER BY seq);`)
				require.Equal(t, test.logged, strings.TrimSpace(logged), out)
			})
		}
	}
}

func TestReplaceLogsAnInsert(t *testing.T) {
	t.Parallel()
	const twice = `REPLACE INTO app_data VALUES ('w', 'app', 'notes', 'a', '{}', 1, 2, NULL);
		REPLACE INTO app_data VALUES ('w', 'app', 'notes', 'a', '{}', 1, 2, NULL);`
	const logged = `SELECT group_concat(op, ' ') FROM (SELECT * FROM app_data_changes
		WHERE seq > 0 ORDER BY seq);`
	require.Equal(t, "insert insert\n", sqlitetest.CLI(t, fresh(t).Path(), twice+logged))
	require.Equal(t, "insert delete insert\n", sqlitetest.CLI(t, fresh(t).Path(),
		"PRAGMA recursive_triggers = ON;"+twice+logged))
}

// TestStamping: an outside update of data moves updated_at forward, whatever the clock says.
func TestStamping(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	sqlitetest.CLI(t, b.Path(), `INSERT INTO app_data
		VALUES ('w', 'app', 'notes', 'old', '{"n":1}', 1000, 2000, NULL);
		INSERT INTO app_data VALUES ('w', 'app', 'notes', 'future', '{"n":1}', 1000, 9000000000000, NULL);
		INSERT INTO app_data VALUES ('w', 'app', 'notes', 'own', '{"n":1}', 1000, 2000, NULL);
		UPDATE app_data SET data = '{"n":2}' WHERE id <> 'own';
		UPDATE app_data SET data = '{"n":2}', updated_at = 7 WHERE id = 'own';`)
	old, future, own := get(t, b, note("old")), get(t, b, note("future")), get(t, b, note("own"))
	require.Greater(t, old.Updated.UnixMilli(), int64(1_600_000_000_000))
	require.Equal(t, int64(9000000000001), future.Updated.UnixMilli())
	require.Equal(t, int64(7), own.Updated.UnixMilli())
	for _, doc := range []string{string(old.Data), string(future.Data), string(own.Data)} {
		require.Equal(t, `{"n":2}`, doc)
	}
}

// TestChecks: the table refuses rows that no reader could parse.
func TestChecks(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	for _, values := range []string{
		`'w', 'app', 'notes', 'a', '[]', 1, 2`,
		`'w', 'app', 'notes', 'a', 'null', 1, 2`,
		`'w', 'app', 'notes', 'a', '{', 1, 2`,
		`'w', 'app', 'notes', 'a', NULL, 1, 2`,
		`'w', 'app', 'notes', 'a', x'7b7d', 1, 2`,
		`'w', 'app', 'notes', '', '{}', 1, 2`,
		`'w', 'app', 'notes', NULL, '{}', 1, 2`,
		`'w', 'app', 'notes', x'61', '{}', 1, 2`,
		`'w', 'app', '', 'a', '{}', 1, 2`,
		`'w', '', 'notes', 'a', '{}', 1, 2`,
		`'', 'app', 'notes', 'a', '{}', 1, 2`,
		`'w', 'app', 'notes', 'a', '{}', -1, 2`,
		`'w', 'app', 'notes', 'a', '{}', 1.5, 2`,
		`'w', 'app', 'notes', 'a', '{}', 'now', 2`,
		`'w', 'app', 'notes', 'a', '{}', 1, 253402300800000`,
	} {
		out, err := sqlitetest.TryCLI(b.Path(), "INSERT INTO app_data VALUES ("+values+", NULL);")
		require.Error(t, err, "%s: %s", values, out)
	}
}
