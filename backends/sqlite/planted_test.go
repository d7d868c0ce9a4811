package sqlite_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tries is how often a test is run to catch its bug: some need a race to show.
const tries = 4

// TestPlantedBugs builds the driver with each bug in turn and sees the named test fail; without them it passes.
func TestPlantedBugs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	for _, bug := range []struct{ name, file, old, new, test, says string }{
		{
			"a seq without its tag, after a restored backup", "cursor.go",
			"WHERE seq = ? AND tag = ?", "WHERE seq = ? OR tag = ?",
			"^TestConformance$/^restore$/^reissued$", "rule restore/reissued:",
		},
		{
			"own commits told although another gateway's lie between", "own.go",
			"if last != g.from || ", "if last.seq > g.to.seq || ",
			"^TestTwoGateways$", "--- FAIL: TestTwoGateways",
		},
		{
			"a mutation remembered although it was refused", "transaction.go",
			"if e := t.memory.forget(t.writer.conn); e != nil {", "if e := error(nil); e != nil {",
			"^TestConformance$/^mutation$", "rule mutation/",
		},
	} {
		t.Run(bug.name, func(t *testing.T) {
			file, err := filepath.Abs(bug.file)
			require.NoError(t, err)
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(string(source), bug.old), "the text to damage must be there once")
			dir := t.TempDir()
			damaged, overlay := filepath.Join(dir, "damaged.go"), filepath.Join(dir, "overlay.json")
			require.NoError(t, os.WriteFile(damaged, []byte(strings.Replace(string(source), bug.old, bug.new, 1)), 0o600))
			text, err := json.Marshal(map[string]map[string]string{"Replace": {file: damaged}})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(overlay, text, 0o600))
			var out []byte
			for range tries {
				if out, err = exec.Command("go", "test", "-count=1", "-overlay", overlay, "-run", bug.test, ".").CombinedOutput(); err != nil {
					break
				}
			}
			require.Error(t, err, "the bug was not noticed:\n%s", out)
			require.Contains(t, string(out), bug.says)
		})
	}
}
