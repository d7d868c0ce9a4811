package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
)

func expired(t *testing.T, b *sqlite.Backend, c backends.Cursor) {
	t.Helper()
	_, err := b.Cursor(context.Background(), c.Append(nil))
	require.ErrorIs(t, err, backends.ErrCursor)
	_, err = b.Since(context.Background(), scope, c, 0)
	require.ErrorIs(t, err, backends.ErrCursor)
	_, err = b.Watch(context.Background(), c)
	require.ErrorIs(t, err, backends.ErrCursor)
}

func resumes(t *testing.T, b *sqlite.Backend, c backends.Cursor) {
	t.Helper()
	parsed, err := b.Cursor(context.Background(), c.Append(nil))
	require.NoError(t, err)
	require.Equal(t, c, parsed)
	_, err = b.Since(context.Background(), scope, parsed, 0)
	require.NoError(t, err)
}

func TestCursorOfRestoredBackup(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	write(t, b, tx(insert("a", `{}`)))
	kept := now(t, b)
	restore := sqlitetest.Harness{}.Backup(t, b)
	write(t, b, tx(insert("b", `{}`)))
	undone := now(t, b)

	c := restore().(*sqlite.Backend)
	expired(t, c, undone) // it is from the future
	resumes(t, c, kept)
	write(t, c, tx(insert("c", `{}`)))
	expired(t, c, undone) // the seq is the same, but the tag differs
	resumes(t, c, kept)
}

func TestCursorOfAnotherFile(t *testing.T) {
	t.Parallel()
	expired(t, fresh(t), now(t, fresh(t)))
	for _, raw := range []string{"", "s", "m12345678" + "\x00abcd", "s12345678\x00abcde",
		"s12345678\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd"} {
		_, err := fresh(t).Cursor(context.Background(), []byte(raw))
		require.ErrorIs(t, err, backends.ErrCursor, "%q", raw)
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the normal pass runs it: 3,000 documents by one goroutine, 16 times slower with the race detector")
	}
	b := fresh(t)
	first := now(t, b)
	resumes(t, b, first)
	stalled := watch(t, b, nil)
	// 4.5 MB in all: more than a feed keeps of local commits
	pad := `{"pad":"` + strings.Repeat("x", 1500) + `"}`
	for i := range 30 {
		var many []backends.Tx
		for j := range 100 {
			many = append(many, tx(insert(fmt.Sprint(i, "-", j), pad)))
		}
		for _, out := range b.Write(context.Background(), many) {
			require.NoError(t, out.Err)
		}
	}
	last := now(t, b)
	require.NoError(t, b.Trim(context.Background(), time.Now().Add(-time.Hour)))
	resumes(t, b, first)

	require.NoError(t, b.Trim(context.Background(), time.Now()))
	expired(t, b, first)
	resumes(t, b, last)
	require.Equal(t, "1\n", sqlitetest.CLI(t, b.Path(), "SELECT count(*) FROM app_data_changes;"))
	require.True(t, next(t, stalled).LostAll)

	write(t, b, tx(insert("after", `{}`)))
	resumes(t, b, last)
	batch := next(t, stalled)
	require.Len(t, batch.Changes, 1)
	require.NoError(t, b.Trim(context.Background(), time.Now()))
	expired(t, b, last)
	resumes(t, b, batch.Cursor)
}

// TestFloorOutlivesItsRow: a cursor at the last row that was trimmed lacks nothing, so it can be
// resumed.
func TestFloorOutlivesItsRow(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	write(t, b, tx(insert("a", `{}`)))
	at := now(t, b)
	require.NoError(t, b.Trim(context.Background(), time.Now()))
	write(t, b, tx(insert("b", `{}`)))
	sqlitetest.CLI(t, b.Path(),
		"DELETE FROM app_data_changes WHERE seq < (SELECT max(seq) FROM app_data_changes);")
	resumes(t, b, at)
	batch, err := b.Since(context.Background(), scope, at, 0)
	require.NoError(t, err)
	require.Len(t, batch.Changes, 1)
}

func TestCursorSurvivesReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "data.db")
	b := open(t, path)
	write(t, b, tx(insert("a", `{}`)))
	at := now(t, b)
	require.NoError(t, b.Close())
	resumes(t, open(t, path), at)
}
