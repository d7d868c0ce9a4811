package sqlite_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
)

// TestRefusedFiles: a file that cannot be used stays exactly as it is, and the error says what to
// do.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	script := func(sql string) func(*testing.T, string) {
		return func(t *testing.T, path string) { sqlitetest.CLI(t, path, sql) }
	}
	ours := func(t *testing.T, path string) {
		b := open(t, path)
		for i := range 100 {
			write(t, b, tx(insert(string(rune('a'+i%26))+string(rune('a'+i/26)), body)))
		}
		require.NoError(t, b.Close())
	}
	for _, test := range []struct {
		name string
		make func(*testing.T, string)
		want string
	}{
		{"text", func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("dear diary, today I was no database"), 0o600))
		}, "is no SQLite database: name another file"},
		{"short text", func(t *testing.T, path string) {
			require.NoError(t,
				os.WriteFile(path, []byte("x"), 0o600))
		}, "is no SQLite database"},
		{"directory", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) },
			"is a directory: name a file"},
		{"other tables", script("CREATE TABLE users (name);"), "of another program: name another file"},
		{"other application", script("PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE users " +
			"(name);"), "of another program"},
		{"newer", func(t *testing.T, path string) {
			ours(t, path)
			sqlitetest.CLI(t, path, "PRAGMA user_version = 99;")
		}, "written by a newer secondgate (schema 99, this one knows 2): upgrade secondgate"},
		{"without our tables", func(t *testing.T, path string) {
			ours(t, path)
			sqlitetest.CLI(t, path, "DROP TABLE app_data_meta;")
		}, "is damaged: "},
		{"without its log", func(t *testing.T, path string) {
			ours(t, path)
			sqlitetest.CLI(t, path, "DELETE FROM app_data_changes;")
		}, "is damaged: it lacks tables or rows"},
		{"cut off", func(t *testing.T, path string) {
			ours(t, path)
			require.NoError(t, os.Truncate(path, 6000))
		}, "is damaged: restore it from a backup"},
		{"scribbled over", func(t *testing.T, path string) {
			ours(t, path)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt(bytes.Repeat([]byte{0xA5}, 8000), 100)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}, "is damaged: restore it from a backup"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "data.db")
			test.make(t, path)
			before, _ := os.ReadFile(path)
			_, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, path)
			after, _ := os.ReadFile(path)
			require.Equal(t, before, after)
		})
	}
}

func TestOpenTwiceAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data.db")
	opened := make(chan error, 4)
	for range cap(opened) {
		go func() {
			b, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
			if err == nil {
				err = b.Close()
			}
			opened <- err
		}()
	}
	for range cap(opened) {
		require.NoError(t, <-opened)
	}
}

func TestEmptyFileIsNewDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a 100% odd?name#.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	b := open(t, path)
	write(t, b, tx(insert("a", `{}`)))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NotZero(t, info.Size())
}
