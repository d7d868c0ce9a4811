package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoticesAreComplete: what is linked is in NOTICES with its licence, and nothing else is.
func TestNoticesAreComplete(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	require.NoError(t, write(&want, "../.."))
	have, err := os.ReadFile("../../NOTICES")
	require.NoError(t, err)
	require.True(t, bytes.Equal(want.Bytes(), have), "run go run ./ci/notices > NOTICES")
	modules, err := linked("../..")
	require.NoError(t, err)
	require.Greater(t, len(modules), 20)
	for _, m := range modules {
		require.Contains(t, string(have), "\n"+m.path+" "+m.version+", ")
	}
}

// TestAModuleWithoutALicenceFails, and a notice of a linked package inside counts.
func TestAModuleWithoutALicenceFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inner := filepath.Join(dir, "internal", "borrowed")
	require.NoError(t, os.MkdirAll(inner, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README"), nil, 0o600))
	m := module{path: "example.com/m", version: "v1", dir: dir, packages: []string{inner}}
	var out strings.Builder
	require.ErrorContains(t, m.write(&out), "has no license")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "COPYING"), []byte("mine \n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(inner, "LICENSE.txt"), []byte("theirs\n"), 0o600))
	require.NoError(t, m.write(&out))
	require.Contains(t, out.String(), "example.com/m v1, COPYING\n=========================\n\nmine\n")
	require.Contains(t, out.String(), "internal/borrowed/LICENSE.txt")
	require.Contains(t, out.String(), "theirs")
}
