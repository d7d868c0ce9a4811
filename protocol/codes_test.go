package protocol_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the generated files of testdata")

func TestCodesAreExported(t *testing.T) {
	want, err := json.MarshalIndent(protocol.Codes, "", "  ")
	require.NoError(t, err)
	want = append(want, '\n')
	if *update {
		require.NoError(t, os.WriteFile("testdata/codes.json", want, 0o644))
	}
	got, err := os.ReadFile("testdata/codes.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go test ./protocol -update")
}

func TestEveryCodeIsInTheTableOnce(t *testing.T) {
	seen := map[protocol.Code]bool{}
	for _, c := range protocol.Codes {
		require.False(t, seen[c.Code], c.Code)
		seen[c.Code] = true
		require.Equal(t, c, c.Code.Info())
		require.NotEmpty(t, c.Says)
		require.True(t, c.HTTP >= 400 && c.HTTP < 600, c.Code)
		require.True(t, c.Close >= 1001 && c.Close < 5000, c.Code)
	}
	require.Len(t, seen, 30)
	require.Equal(t, protocol.CodeInternal, protocol.Code("no such code").Info().Code)
}

func TestCodeOf(t *testing.T) {
	e := protocol.Errorf(protocol.CodeConflict, "again")
	require.Equal(t, protocol.CodeConflict, protocol.CodeOf(fmt.Errorf("write: %w", e)))
	require.Equal(t, protocol.CodeInternal, protocol.CodeOf(errors.New("disk on fire")))
	require.Equal(t, protocol.Code(""), protocol.CodeOf(nil))
	require.ErrorIs(t, fmt.Errorf("write: %w", e), &protocol.Error{Code: protocol.CodeConflict})
	require.NotErrorIs(t, error(e), &protocol.Error{Code: protocol.CodeNotFound})
}
