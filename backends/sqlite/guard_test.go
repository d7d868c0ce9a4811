package sqlite_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

// remade makes app_data anew, as a person might who adds a column: its triggers are gone then.
const remade = `CREATE TABLE other AS SELECT * FROM app_data; DROP TABLE app_data;
	ALTER TABLE other RENAME TO app_data;`

// TestADatabaseThatChangesUnderneathIsNoticed: SQLite goes on writing to a file that nobody can open
// any more, and a missing trigger loses changes in silence. Requests are refused instead, and say
// why.
func TestADatabaseThatChangesUnderneathIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, path string)
		says   string
	}{
		"deleted": {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, "put it back"},
		"renamed": {func(t *testing.T, path string) { require.NoError(t, os.Rename(path, path+".old")) }, "put it back"},
		"replaced": {func(t *testing.T, path string) {
			sqlitetest.CLI(t, path, ".backup "+path+".copy")
			require.NoError(t, os.Rename(path+".copy", path))
		}, "put it back"},
		"a trigger dropped": {func(t *testing.T, path string) {
			sqlitetest.CLI(t, path, "DROP TRIGGER app_data_inserted")
		}, "secondgate check"},
		"a table remade": {func(t *testing.T, path string) { sqlitetest.CLI(t, path, remade) }, "secondgate check"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := sqlitetest.Harness{}.Open(t).(*sqlite.Backend)
			require.NoError(t, insertNow(t, b))
			c.change(t, b.Path())
			var err error
			require.Eventually(t, func() bool { err = insertNow(t, b); return err != nil }, time.Minute, 10*time.Millisecond)
			require.ErrorContains(t, err, c.says)
			_, _, err = b.Get(t.Context(), protocol.Ref{Scope: protocol.Scope{Workspace: "w", App: "a"}}, nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func insertNow(t *testing.T, b backends.Backend) error {
	_, err := backends.WriteOne(t.Context(), b, backends.Tx{
		Scope: protocol.Scope{Workspace: "w", App: "a"}, At: protocol.Millis(time.Now()),
		Writes: []backends.Write{{
			Op: backends.Insert, Collection: "c", ID: protocol.NewID(time.Now()), Data: []byte(`{}`),
		}},
	})
	return err
}

func TestAFileThatIsPutBackIsUsedAgain(t *testing.T) {
	t.Parallel()
	b := sqlitetest.Harness{}.Open(t).(*sqlite.Backend)
	require.NoError(t, os.Rename(b.Path(), b.Path()+".away"))
	require.Eventually(t, func() bool { return insertNow(t, b) != nil }, time.Minute, 10*time.Millisecond)
	require.NoError(t, os.Rename(b.Path()+".away", b.Path()))
	require.Eventually(t, func() bool { return insertNow(t, b) == nil }, time.Minute, 10*time.Millisecond)
}

func TestAFileWithoutItsTriggersIsNotOpened(t *testing.T) {
	t.Parallel()
	b := sqlitetest.Harness{}.Open(t).(*sqlite.Backend)
	path := b.Path()
	require.NoError(t, b.Close())
	sqlitetest.CLI(t, path, "DROP TRIGGER app_data_inserted")
	_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.ErrorContains(t, err, "the trigger app_data_inserted is missing")
}
