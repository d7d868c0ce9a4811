package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheckCommand: a line for each finding, exit status 1 if one fails, nothing made where nothing
// is.
func TestCheckCommand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "x.db")
	out, err := secondgate(t, nil, "check", "--backend", "sqlite:"+path)
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^warn there is no file .*x\.db yet: serve makes it -> `, out)
	require.NoDirExists(t, filepath.Dir(path))

	o := operate(t, nil, "--backend", "sqlite:"+path)
	out, err = secondgate(t, nil, "check", "--backend", "sqlite:"+path)
	require.NoError(t, err, "beside a gateway that serves: %s", out)
	require.Regexp(t, `(?m)^ok   PRAGMA quick_check finds no damage$`, out)
	o.terminate()
	require.NoError(t, o.command.Wait())

	require.NoError(t, os.WriteFile(path, []byte("this is a letter to somebody"), 0o600))
	out, err = secondgate(t, nil, "check", "--backend", "sqlite:"+path)
	require.Error(t, err)
	require.Regexp(t, `(?m)^fail .*x\.db is no SQLite database -> name another file`, out)
}
