package mongodb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the driver with each bug in turn. The named test or rule must fail;
// without the bug it passes.
func TestPlantedBugs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	for _, bug := range []struct {
		name       string
		bug        planted.Bug
		test, says string
	}{
		{
			"a stream says that it has looked where it begins",
			planted.Bug{File: "stream.go", Old: "SetStartAtOperationTime(&begin)",
				New: "SetStartAtOperationTime(&bson.Timestamp{T: begin.T, I: begin.I + 1})"},
			"^TestConformance$/^feed$/^exact$", "applied to the state at its beginning",
		},
		{
			"replies are cut through transactions",
			planted.Bug{File: "stream.go", Old: "SetBatchSize(0)", New: "SetBatchSize(3)"},
			"^TestConformance$/^outside$/^large$", "rule outside/large:",
		},
		{
			"upserts take no lock",
			planted.Bug{File: "group.go", Old: "if err := g.lock(ctx); err != nil {",
				New: "if err := error(nil); err != nil {"},
			"^TestConcurrentUpsertsMakeOneDocument$", "--- FAIL: TestConcurrentUpsertsMakeOneDocument",
		},
		{
			"a write without a transaction does not look whether others have written",
			planted.Bug{File: "write_single.go", Old: "same = append(same, ", New: "_ = append(same, "},
			"^TestConformance$/^concurrency$/^no-lost-update$", "rule concurrency/no-lost-update:",
		},
	} {
		t.Run(bug.name, func(t *testing.T) {
			out, caught := planted.Run(t, bug.bug, bug.test, "SECONDGATE_TEST_MONGODB_URL="+mongodbtest.URL(t))
			require.True(t, caught, "the bug was not noticed:\n%s", out)
			require.Contains(t, out, bug.says)
		})
	}
}
