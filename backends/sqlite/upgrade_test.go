package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

var writtenCursor = regexp.MustCompile(`(?m)^-- cursor: (\S+)$`)

// TestUpgrade opens files of earlier builds. Their documents are served, their cursors can be
// resumed, and their schema becomes that of a new file. Both builds called their schema version 1;
// see migrations/0002.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for _, build := range []string{"c8d3e03", "50381a9"} {
		t.Run(build, func(t *testing.T) {
			t.Parallel()
			sql, err := os.ReadFile(filepath.Join("testdata", build+".sql"))
			require.NoError(t, err)
			path := filepath.Join(t.TempDir(), "old.db")
			sqlitetest.CLI(t, path, string(sql))
			b, err := sqlite.Open(context.Background(), sqlite.Options{Path: path,
				Retention: 24 * 365 * 100 * time.Hour})
			require.NoError(t, err)
			scope := protocol.Scope{Workspace: "w", App: "a"}
			cursors := writtenCursor.FindAllStringSubmatch(string(sql), -1)
			require.Len(t, cursors, 2)
			require.Equal(t, []string{"update one", "delete two", "insert four"}, since(t, b, scope, cursors[0][1]))
			require.Empty(t, since(t, b, scope, cursors[1][1]))
			doc, _, err := b.Get(t.Context(), protocol.Ref{Scope: scope, Collection: "todos", ID: "one"}, nil)
			require.NoError(t, err)
			require.JSONEq(t, `{"n":2,"text":"first"}`, string(doc.Data))
			write(t, b, tx(insert("five", `{}`)))
			require.NoError(t, b.Close())
			for _, f := range sqlite.Check(t.Context(), path) {
				require.Equal(t, backends.LevelOK, f.Level, f.What)
			}
		})
	}
}

// since returns what has changed in a scope after a cursor that a client has kept.
func since(t *testing.T, b *sqlite.Backend, s protocol.Scope, text string) (changes []string) {
	t.Helper()
	raw, err := protocol.DecodeCursor(s, text)
	require.NoError(t, err)
	from, err := b.Cursor(t.Context(), raw)
	require.NoError(t, err)
	batch, err := b.Since(t.Context(), s, from, 0)
	require.NoError(t, err)
	for _, c := range batch.Changes {
		changes = append(changes, c.Op.String()+" "+c.Ref.ID)
	}
	return changes
}

// TestUpgradeKeepsMutations: a mutation that was recorded before the upgrade is replayed after it.
func TestUpgradeKeepsMutations(t *testing.T) {
	t.Parallel()
	sql, err := os.ReadFile("testdata/50381a9.sql")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "old.db")
	sqlitetest.CLI(t, path, string(sql))
	count := func() string {
		return sqlitetest.CLI(t, path, "SELECT count(*), sum(typeof(key) = 'blob') FROM app_data_mutations")
	}
	before := count()
	b := open(t, path)
	require.NoError(t, b.Close())
	require.Equal(t, before, count())
}
