package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
)

// TestCheck damages a good file in one way each. The check must report that damage and nothing
// else.
func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		level  string
		what   string
	}{
		"good": {func(*testing.T, string) {}, "", ""},
		"missing": {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) },
			backends.LevelWarn, "there is no file"},
		"empty": {overwrite(nil), backends.LevelWarn, "is empty"},
		"text":  {overwrite([]byte("a letter")), backends.LevelFail, "is no SQLite database"},
		"long text": {overwrite([]byte(strings.Repeat("a letter ", 1000))), backends.LevelFail,
			"is no SQLite database"},
		"foreign": {foreign, backends.LevelFail, "is the SQLite database of another program"},
		"newer": {shell("PRAGMA user_version = 99"), backends.LevelFail,
			"was written by a newer secondgate"},
		"corrupt": {corrupt, backends.LevelFail, "is damaged"},
		"trigger missing": {shell("DROP TRIGGER app_data_updated"), backends.LevelFail,
			"the trigger app_data_updated is missing"},
		"trigger changed": {shell("DROP TRIGGER app_data_deleted; CREATE TRIGGER app_data_deleted AFTER DELETE " +
			"ON app_data BEGIN SELECT 1; END"), backends.LevelFail,
			"the trigger app_data_deleted is not as secondgate made it"},
		"trigger added": {shell("CREATE TRIGGER mine AFTER DELETE ON app_data BEGIN SELECT 1; END"),
			backends.LevelWarn, "the trigger mine is somebody else's"},
		"table missing": {shell("DROP TABLE app_data_ledger"), backends.LevelFail,
			"the table app_data_ledger is missing"},
		"not wal": {shell("PRAGMA journal_mode = delete"), backends.LevelWarn, "journal mode delete"},
		"future": {shell(fmt.Sprintf("INSERT INTO app_data_marks VALUES (%d, 0)",
			time.Now().Add(time.Hour).UnixMilli())), backends.LevelWarn, "after now"},
		"directory": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		}, backends.LevelFail, "is a directory"},
		"no directory": {func(t *testing.T, path string) {
			require.NoError(t, os.RemoveAll(filepath.Dir(path)))
			require.NoError(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
		}, backends.LevelFail, "is no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := goodFile(t)
			c.damage(t, path)
			findings := sqlite.Check(context.Background(), path)
			if c.level == "" {
				require.Empty(t, beyondOK(findings))
				return
			}
			found := false
			for _, f := range beyondOK(findings) {
				require.NotEmpty(t, f.Fix, f.What)
				found = found || f.Level == c.level && strings.Contains(f.What, c.what)
			}
			require.True(t, found, "%+v", findings)
		})
	}
}

// TestCheckLocked: while another program has a write transaction open, the check does not wait long
// and does not fail.
func TestCheckLocked(t *testing.T) {
	t.Parallel()
	path := goodFile(t)
	command := exec.Command("sqlite3", path)
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = stdin.Write([]byte("BEGIN IMMEDIATE;\n.print locked\n"))
	require.NoError(t, err)
	_, err = stdout.Read(make([]byte, 16))
	require.NoError(t, err)
	findings := beyondOK(sqlite.Check(context.Background(), path))
	require.Len(t, findings, 1)
	require.Equal(t, backends.LevelWarn, findings[0].Level)
	require.Contains(t, findings[0].What, "another program holds the write lock")
	require.NoError(t, stdin.Close())
	require.NoError(t, command.Wait())
}

// TestCheckChangesNothing: the check changes neither a good file nor a file of another program.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	for _, prepare := range []func(*testing.T, string){func(*testing.T, string) {}, foreign, corrupt} {
		path := goodFile(t)
		prepare(t, path)
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		sqlite.Check(context.Background(), path)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

// goodFile is a file that a backend has made, written and closed.
func goodFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sub", "x.db")
	b, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	shell(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		SELECT 'w', 'a', 'c', i, '{"a":"some text"}' FROM n`)(t, path)
	return path
}

func beyondOK(all []backends.Finding) (rest []backends.Finding) {
	for _, f := range all {
		// the disk of this machine does not matter
		if f.Level != backends.LevelOK && !strings.Contains(f.What, "MiB free") {
			rest = append(rest, f)
		}
	}
	return rest
}

func overwrite(text []byte) func(t *testing.T, path string) {
	return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, text, 0o600)) }
}

func shell(sql string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		out, err := exec.Command("sqlite3", path, sql).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

func foreign(t *testing.T, path string) {
	require.NoError(t, os.Remove(path))
	shell("CREATE TABLE theirs (a)")(t, path)
}

// corrupt overwrites pages in the middle of the file.
func corrupt(t *testing.T, path string) {
	shell("PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(strings.Repeat("\xff", 16<<10)), info.Size()/8192*4096)
	require.NoError(t, err)
}
