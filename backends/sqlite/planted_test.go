package sqlite_test

import (
	"testing"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the driver with bugs. The named test must fail with each.
func TestPlantedBugs(t *testing.T) {
	planted.Check(t, planted.Suite{Bugs: []planted.Bug{
		{
			Name: "a seq without its tag, after a restored backup",
			File: "cursor.go",
			Old:  "WHERE seq = ? AND tag = ?",
			New:  "WHERE seq = ? OR tag = ?",
			Test: "^TestConformance$/^restore$/^reissued$",
			Says: "rule restore/reissued:",
		},
		{
			Name: "a feed takes local commits although another gateway's lie between",
			File: "feed_local.go",
			Old:  "if last != g.from || ",
			New:  "if last.seq > g.to.seq || ",
			Test: "^TestOutsideCommitBetweenLocalOnes$",
			Says: "--- FAIL: TestOutsideCommitBetweenLocalOnes",
		},
		{
			Name: "a refused mutation is recorded",
			File: "transaction.go",
			Old:  "if e := t.mutation.remove(t.writer.conn); e != nil {",
			New:  "if e := error(nil); e != nil {",
			Test: "^TestConformance$/^mutation$",
			Says: "rule mutation/",
		},
	}})
}
