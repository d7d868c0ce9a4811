package audit

import (
	"testing"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the trail with bugs. The named test must fail with each.
func TestPlantedBugs(t *testing.T) {
	suite := planted.Suite{}
	for _, bug := range []struct{ name, file, old, new, test string }{
		{"case decides before the rest of a name", "order.go", `order == 0 && x>>1 != y>>1`, `order == 0 && x != y`,
			"TestNamesAreOrderedAsByJavaScript"},
		{"names stay in the order of bytes", "hash.go",
			`return compareNames(unquote(a.name), unquote(b.name))`, `return 0 * compareNames(unquote(a.name), "")`, "TestHashesAreThoseOfJavaScript"},
		{"a block is skipped", "verify.go", `case b.Number != v.head.Number+1:`, `case false:`, "TestTamperingShows"},
		{"the hash of a block is not looked at", "verify.go", `case b.Previous != v.head.hash:`, `case false:`,
			"TestTamperingShows"},
		{"the hash of a row is not looked at", "verify.go", `case got.Hash != want.Hash:`, `case got.Hash == "":`,
			"TestTamperingShows"},
		{"a row may be missing", "verify.go", `case !there && over(want.Expires, v.now):`, `case !there:`,
			"TestTamperingShows"},
		{"a row may be added", "verify.go", `if !at.Before(sealable) {`, `if !at.Before(time.Time{}) || sealable.IsZero() {`, "TestTamperingShows"},
		{"the beginning of a chain may be cut", "verify.go",
			`case v.head == nil && over(b.PreviousExpires, v.now):`, `case v.head == nil && b.Number > 0:`,
			"TestTamperingShows"},
		{"blocks go before their rows", "block.go", `r.Expires+blockSpare.Milliseconds()`, `r.Expires/2`,
			"TestRetentionLeavesAChain"},
		{"nobody looks for late rows", "seal.go", `if after = row.Key; !known[key] {`, `if after = row.Key; !known[key] && key == "" {`,
			"TestLateRowsAreSealedLater"},
		{"late rows are sealed again and again", "seal.go", `known[r.Key] = true`, `known[r.Key] = false`, "TestChainHolds"},
		{"refused writes leave rows always", "refused.go", `if !t.keeps(LevelAll) {`, `if !t.keeps(LevelWrites) {`,
			"TestRefusedWritesHaveRowsAtTheirLevelOnly"},
		{"young rows are sealed", "seal.go", `if row.At.After(until) {`, `if row.At.After(until.Add(time.Hour)) {`, "TestChainHolds"},
	} {
		suite.Bugs = append(suite.Bugs, planted.Bug{
			Name: bug.name, File: bug.file, Old: bug.old, New: bug.new,
			Test: "^" + bug.test + "$", Says: "--- FAIL: " + bug.test,
		})
	}
	planted.Check(t, suite)
}
