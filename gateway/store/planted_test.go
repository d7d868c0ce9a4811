package store

import (
	"testing"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the store with bugs. The named test must fail with each.
func TestPlantedBugs(t *testing.T) {
	suite := planted.Suite{}
	for _, bug := range []struct{ name, file, old, new, test string }{
		{"what is under way has no room", "quota.go", `plus(plus(one.held, one.pending), more)`,
			`plus(one.held, more)`, "TestQuotaHoldsWhatIsUnderWay"},
		{"a count forgets what was written meanwhile", "reservation.go",
			`r.usage.pending = plus(r.usage.pending, most)`, ``, "TestQuotaHoldsWhatIsUnderWay"},
		{"a scope is counted for each write", "quota.go", `return age >= usageTime, false`, `return true, true`,
			"TestQuotaIsCountedSeldom"},
		{"a scope is never counted again", "quota.go", `return age >= usageTime, false`, `return false, false`,
			"TestQuotaIsCountedSeldom"},
		{"a full scope stays full", "quota.go", `return age >= fullTime, true`, `return false, true`,
			"TestQuotaIsCountedSeldom"},
		{"a slow count is made all the time", "quota.go", `if age < rest*one.took {`, `if false {`,
			"TestQuotaIsCountedSeldom"},
		{"a count that fails lets everybody in", "quota.go", `if err != nil && !u.isKnown(r.usage) {`, `if false {`,
			"TestQuotaThatCannotBeCounted"},
		{"a write whose outcome is unknown takes no room", "reservation.go", `.HTTP < 500`, `.HTTP < 600`,
			"TestQuotaOfWhatNobodyKnows"},
		{"a replay takes room", "reservation.go", `case o.Replayed:
		return added`, `case o.Replayed:
		return most`, "TestQuotaOfWhatNobodyKnows"},
		{"scopes without end", "quota.go", `if len(u.known) < mostUsages {`, `if true {`, "TestQuotasAreBounded"},
		{"a usage in use is forgotten", "quota.go", `if one.busy == 0 {`, `if one.busy >= 0 {`,
			"TestQuotasAreBounded"},
		{"one agent's burst takes all turns", "agent_queue.go", `turns: make(chan struct{}, writesOfAgent)`,
			`turns: make(chan struct{}, writesOfAgents)`, "TestAgentQueueIsFair"},
		{"what changed during a query is not read", "query.go", `return s.repair(ctx, scope, best, at)`,
			`return at, nil`, "TestQueryRepairsWhatChangedBetweenPages"},
		{"what changed during a query counts twice", "query.go",
			`delete(r.counted, maphash.String(countSeed, c.Ref.ID))`, ``, "TestQueryRepairsWhatChangedBetweenPages"},
		{"a stream is told what was gone before it asked", "gone.go", `last.begun.After(asked) && `, ``,
			"TestWhatIsGoneIsReadOnceForAllThatWait"},
		{"what is gone is read for each stream", "gone.go", `last.begun.After(asked)`, `false`,
			"TestWhatIsGoneIsReadOnceForAllThatWait"},
		{"agents that have gone are remembered", "agent_queue.go", `delete(q.own, id)`, ``, "TestAgentQueueIsFair"},
	} {
		suite.Bugs = append(suite.Bugs, planted.Bug{
			Name: bug.name, File: bug.file, Old: bug.old, New: bug.new,
			Test: "^" + bug.test + "$", Says: "--- FAIL: " + bug.test,
		})
	}
	planted.Check(t, suite)
}
