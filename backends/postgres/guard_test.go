package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// awaitRefusal waits until a backend refuses reads and writes, and returns the sentence.
func awaitRefusal(t *testing.T, b *postgres.Backend) string {
	t.Helper()
	refused := func() (err error) {
		_, _, err = b.Get(context.Background(), note("none"), nil)
		return err
	}
	require.Eventually(t, func() bool { return protocol.CodeOf(refused()) == protocol.CodeUnavailable },
		time.Minute, 10*time.Millisecond, "the backend never refuses a read")
	_, err := backends.WriteOne(context.Background(), b, tx(upsert("refused", `{}`)))
	require.Equal(t, protocol.CodeUnavailable, protocol.CodeOf(err))
	return refused().Error()
}

// damages are changes of the schema that lose changes or documents, and their repair.
var damages = map[string]struct {
	damage, repair string
	lost           bool // the log may lack changes
}{
	"a trigger disabled": {
		"ALTER TABLE app_data DISABLE TRIGGER app_data_changed",
		"ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_changed", true,
	},
	"all triggers disabled": {
		"ALTER TABLE app_data DISABLE TRIGGER USER",
		`ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_changed;
		ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_truncated;
		ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_stamped`, true,
	},
	"a trigger dropped": {
		"DROP TRIGGER app_data_truncated ON app_data",
		`CREATE TRIGGER app_data_truncated AFTER TRUNCATE ON app_data FOR EACH STATEMENT
			EXECUTE FUNCTION app_data_truncated();
		ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_truncated`, true,
	},
	"the log's function replaced": {
		`ALTER FUNCTION app_data_log RENAME TO was;
		CREATE FUNCTION app_data_log(
			workspace text, app text, name text, document text, operation text, documents oid)
		RETURNS void LANGUAGE sql AS ''`,
		"DROP FUNCTION app_data_log; ALTER FUNCTION was RENAME TO app_data_log", true,
	},
	"a table renamed": {"ALTER TABLE app_data RENAME TO was", "ALTER TABLE was RENAME TO app_data", false},
	"a column renamed": {
		"ALTER TABLE app_data RENAME data TO d", "ALTER TABLE app_data RENAME d TO data", false,
	},
	"the unique index dropped": {
		"ALTER TABLE app_data DROP CONSTRAINT app_data_pkey",
		"ALTER TABLE app_data ADD PRIMARY KEY (workspace_id, app_id, collection, id)", false,
	},
	"row security": {
		"ALTER TABLE app_data ENABLE ROW LEVEL SECURITY", "ALTER TABLE app_data DISABLE ROW LEVEL SECURITY", false,
	},
	"the log's numbers cached": {
		"ALTER TABLE app_data_changes ALTER seq SET CACHE 20",
		"ALTER TABLE app_data_changes ALTER seq SET CACHE 1", true,
	},
}

// TestSchemaThatChangesUnderneathIsNoticed: without a trigger the changes of others reach nobody.
// Requests are refused until the schema is repaired, and then cursors from before expire if changes
// may be missing.
func TestSchemaThatChangesUnderneathIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			write(t, b, tx(insert("a", `{"n":1}`)))
			f, old := watch(t, b, nil), now(t, b)
			postgrestest.PSQL(t, url, c.damage)
			require.Contains(t, awaitRefusal(t, b), "secondgate check")
			postgrestest.PSQL(t, url, c.repair)
			awaitServer(t, b)
			if c.lost {
				expired(t, b, old)
				requireLostAll(t, f)
			} else {
				require.Empty(t, changesNow(t, b, f))
			}
			requireExact(t, b, f)
		})
	}
}

// TestTriggerThatWasAwayBetweenTwoLooks: the guard sees a whole schema, and still knows that
// changes are missing.
func TestTriggerThatWasAwayBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	f := watch(t, b, nil)
	postgrestest.PSQL(t, url, `BEGIN; ALTER TABLE app_data DISABLE TRIGGER app_data_changed;
		`+put("silent", `{}`)+`; ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_changed; COMMIT`)
	requireLostAll(t, f)
	require.Equal(t, []string{"silent"}, docIDs(list(t, b)))
	requireExact(t, b, f)
}

// TestTableMadeAnew: a table that is copied and renamed has no triggers and no unique index. When
// all is made again, notifications of the new table are heard.
func TestTableMadeAnew(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	write(t, b, tx(insert("a", `{"n":1}`)))
	f := watch(t, b, nil)
	file := t.TempDir() + "/dump.sql"
	postgrestest.Dump(t, url, file)
	postgrestest.PSQL(t, url, "CREATE TABLE other AS TABLE app_data; DROP TABLE app_data;"+
		"ALTER TABLE other RENAME TO app_data")
	require.Contains(t, awaitRefusal(t, b), "secondgate check")
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.ErrorContains(t, err, "of app_data is")
	postgrestest.PSQL(t, url, "DROP SCHEMA "+postgrestest.SchemaOf(url)+" CASCADE;\n\\i "+file)
	awaitServer(t, b)
	requireLostAll(t, f)
	requireExact(t, b, f)
}

func TestDamagedSchemaIsNotOpened(t *testing.T) {
	t.Parallel()
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			require.NoError(t, b.Close())
			postgrestest.PSQL(t, url, c.damage)
			_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
			require.Error(t, err)
			require.Greater(t, strings.Count(err.Error(), ": "), 0, "the error says what to do: %v", err)
			postgrestest.PSQL(t, url, c.repair)
			open(t, url)
		})
	}
}

// TestTriggerThatWasAwayWhileNobodyServed: a cursor from before is refused although the schema is
// whole again.
func TestTriggerThatWasAwayWhileNobodyServed(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	old := now(t, b)
	require.NoError(t, b.Close())
	again := open(t, url)
	_, err := again.Cursor(t.Context(), old.Append(nil))
	require.NoError(t, err, "a restart expires nothing")
	require.NoError(t, again.Close())
	postgrestest.PSQL(t, url, "ALTER TABLE app_data DISABLE TRIGGER app_data_changed; "+put("silent", `{}`)+
		"; ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_changed")
	expired(t, open(t, url), old)
}

func docIDs(page backends.Page) (all []string) {
	for _, d := range page.Docs {
		all = append(all, d.ID)
	}
	return all
}
