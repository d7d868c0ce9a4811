package mongodb_test

import (
	"testing"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the driver with bugs. The named test or rule must fail with each.
func TestPlantedBugs(t *testing.T) {
	env := []string{"SECONDGATE_TEST_MONGODB_URL=" + mongodbtest.URL(t)}
	planted.Check(t, planted.Suite{Env: env, Bugs: []planted.Bug{
		{
			Name: "a stream says that it has looked where it begins",
			File: "stream.go",
			Old:  "SetStartAtOperationTime(&begin)",
			New:  "SetStartAtOperationTime(&bson.Timestamp{T: begin.T, I: begin.I + 1})",
			Test: "^TestStreamThatBeginsAheadOfTheServer$",
			Says: "--- FAIL: TestStreamThatBeginsAheadOfTheServer",
		},
		{
			Name: "replies are cut through transactions",
			File: "stream.go",
			Old:  "SetBatchSize(0)",
			New:  "SetBatchSize(3)",
			Test: "^TestConformance$/^outside$/^large$",
			Says: "rule outside/large:",
		},
		{
			Name: "upserts take no lock",
			File: "group.go",
			Old:  "if err := g.lock(ctx); err != nil {",
			New:  "if err := error(nil); err != nil {",
			Test: "^TestConcurrentUpsertsMakeOneDocument$",
			Says: "--- FAIL: TestConcurrentUpsertsMakeOneDocument",
		},
		{
			Name: "a list that looks for a text looks for texts alone",
			File: "list_only.go",
			Old:  `{Key: "$type", Value: seenAsText}`,
			New:  `{Key: "$type", Value: "string"}`,
			Test: "^TestListOnly$",
			Says: "--- FAIL: TestListOnly",
		},
		{
			Name: "the note of authors names no documents",
			File: "authors.go",
			Old:  "if all && len(n.By) == 1 {",
			New:  "if all || len(n.By) > 0 {",
			Test: "^TestConformance$/^feed$/^author$",
			Says: "rule feed/author:",
		},
		{
			Name: "a write without a transaction does not look whether others have written",
			File: "write_single.go",
			Old:  "same = append(same, ",
			New:  "_ = append(same, ",
			Test: "^TestConformance$/^concurrency$/^no-lost-update$",
			Says: "rule concurrency/no-lost-update:",
		},
	}})
}
