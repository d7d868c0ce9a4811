package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the driver with each bug in turn. The named test must fail; without the
// bug it passes.
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
			"a feed takes local commits although another gateway's lie between", "feed_local.go",
			"if last != g.from || ", "if last.seq > g.to.seq || ",
			"^TestOutsideCommitBetweenLocalOnes$", "--- FAIL: TestOutsideCommitBetweenLocalOnes",
		},
		{
			"a refused mutation is recorded", "transaction.go",
			"if e := t.mutation.remove(t.writer.conn); e != nil {", "if e := error(nil); e != nil {",
			"^TestConformance$/^mutation$", "rule mutation/",
		},
	} {
		t.Run(bug.name, func(t *testing.T) {
			out, caught := planted.Run(t, planted.Bug{File: bug.file, Old: bug.old, New: bug.new}, bug.test)
			require.True(t, caught, "the bug was not noticed:\n%s", out)
			require.Contains(t, out, bug.says)
		})
	}
}
