package gateway_test

import (
	"strings"
	"testing"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the gateway with bugs. The rule for the wire or the test that a bug names must notice
// it: those hold without the bugs in TestRules of conformance/wire, and here.
func TestPlantedBugs(t *testing.T) {
	planted.Check(t, planted.Suite{
		Dir: "../conformance/wire", Flags: []string{"-test.short"}, Bugs: caughtBy("TestRules/fast/", wireBugs),
	}, planted.Suite{Bugs: caughtBy("TestRules/sqlite/fast/", heldBugs)},
		planted.Suite{Flags: []string{"-test.short"}, Bugs: auditBugs()},
		planted.Suite{Flags: []string{"-test.short"}, Bugs: agentBugs()},
		planted.Suite{Flags: []string{"-test.short"}, Bugs: runBugs()},
		planted.Suite{Bugs: forwardBugs()},
		planted.Suite{Bugs: canaryBugs()},
		planted.Suite{Bugs: ticketBugs()},
		planted.Suite{Dir: "approvals", Bugs: approvalBugs()},
		planted.Suite{Dir: "../protocol", Bugs: queryBugs()})
}

// auditBugs are of the audit trail.
func auditBugs() (all []planted.Bug) {
	for _, bug := range []struct{ name, file, old, new, test string }{
		{"rows lack the hash of what was before", "audit/write.go", `changes.BeforeHash = hashOf(c.Before.Data)`,
			`changes.BeforeHash = ""`, "TestAuditRows"},
		{"writes leave no rows", "store/write.go", `s.trail.Entries(ctx, by, &tx, r.RequestID))`,
			`nil)`,
			"TestAuditRows"},
		{"members read the trail", "access/manage.go", `return p, errManagers
	}
	return p, errOutside`, `return p, nil
	}
	return p, errOutside`, "TestWhoMayReadTheAuditTrail"},
		{"outsiders are told that a workspace is there", "access/manage.go", `return p, errOutside
}`, `return p, errManagers
}`, "TestWhoMayReadTheAuditTrail"},
		{"a filter is ignored", "audit/item.go", `is(q.Outcome, v.Outcome)`, `is(q.Outcome, q.Outcome)`, "TestAuditList"},
		{"since is ignored", "audit/list.go", `if row.At.Before(q.Since) {`, `if row.At.Before(row.At) {`,
			"TestAuditList"},
		{"until is ignored", "audit/query.go", `if q.Until.IsZero() {`, `if !q.Until.Before(q.Since) {`, "TestAuditList"},
		{"rows of one time are skipped", "audit/query.go", `return backends.AuditKey(workspace, at, id)`,
			`return backends.AuditKey(workspace, at, id[:0])`, "TestAuditList"},
		{"a filter walks all rows", "audit/list.go", `scanned += len(rows)`, `scanned += len(rows) - listPage`,
			"TestAuditListIsBounded"},
	} {
		all = append(all, planted.Bug{
			Name: bug.name, File: bug.file, Old: bug.old, New: bug.new,
			Test: "^" + bug.test + "$", Says: "--- FAIL: " + bug.test,
		})
	}
	return all
}

// caughtBy has each bug caught by the rule that its Test names, one of a test's.
func caughtBy(test string, bugs []planted.Bug) (all []planted.Bug) {
	for _, b := range bugs {
		b.Test, b.Says = "^"+strings.ReplaceAll(test+b.Test, "/", "$/^")+"$", "rule "+b.Test+":"
		all = append(all, b)
	}
	return all
}

var wireBugs = []planted.Bug{
	{
		Name: "a message before the welcome", // a drain that starts too early shows only now and then
		File: "ws/open.go",
		Old:  "s.sender = sender.New(s, shard)\n",
		New:  "s.sender = sender.New(s, shard)\n\ts.push(protocol.AppendBookmark(nil, \"x\"))\n",
		Test: "ws/welcome",
	},
	{
		Name: "a change skipped by a client that resumes inside the log",
		File: "hub/subscription.go",
		Old:  "s.behind = !from.Reached(s.log.start)",
		New:  "s.behind = !from.Reached(s.log.start)\n\tdefer func() { s.next = min(s.next+1, s.log.end()) }()",
		Test: "ws/resume-exact",
	},
	{
		Name: "a leaked scope",
		File: "hub/deliver.go",
		Old:  "e := entries[c.Ref.Scope]",
		New:  "for s := range h.scopes {\n\t\t\tc.Ref.Scope = s\n\t\t}\n\t\te := entries[c.Ref.Scope]",
		Test: "ws/scopes",
	},
	{
		Name: "a settlement before its bookmark",
		File: "ws/changes.go",
		Old:  "if !w.covered(d.Cursor) {",
		New:  "if false {",
		Test: "ws/settled-after-bookmark",
	},
	{
		Name: "settlements that never come",
		File: "ws/work.go",
		Old:  "if w.Answer.Err == nil && s.concerns(w.Outcome.Changes) {",
		New:  "if false {",
		Test: "ws/settled-once",
	},
	{
		Name: "a subscription that sends everything",
		File: "hub/interest.go",
		Old:  "return i.all || i.follows(c.Ref.Collection, c.Ref.ID)",
		New:  "return true",
		Test: "ws/follow-none",
	},
	{
		Name: "requests out of order",
		File: "ws/work.go",
		Old:  "n := s.groupable()\n\ttasks := s.queue[:n:n]\n\ts.queue = s.queue[n:]",
		New:  "n := 1\n\ttasks := []task{s.queue[len(s.queue)-1]}\n\ts.queue = s.queue[:len(s.queue)-1]",
		Test: "ws/order",
	},
}

// heldBugs need a feed that is slow, or held by the rule, to be noticed.
var heldBugs = []planted.Bug{
	{
		Name: "a bookmark before the stream has reached an answered list",
		File: "ws/changes.go",
		Old:  "if waiting == 0 && s.bookmarkDue(d.Cursor) {",
		New:  "if s.bookmarkDue(d.Cursor) || waiting > 0 {",
		Test: "bookmark/after-answers", // the wire rule needs a slow feed to notice
	},
	{
		Name: "changes not held during a read",
		File: "ws/output.go",
		Old:  "s.refused == nil && s.holding == 0 && size < hub.FrameBytes",
		New:  "s.refused == nil && size < hub.FrameBytes",
		Test: "reads/never-older", // likewise
	},
	{
		Name: "a catch-up that loses a change",
		File: "hub/catchup.go",
		Old:  "changesOf(b.Changes), b.Cursor",
		New:  "changesOf(b.Changes[1:]), b.Cursor",
		Test: "slow/exact",
	},
	{
		Name: "deletes that a replay leaves out",
		File: "sse/replay.go",
		Old:  "range gone {",
		New:  "range gone[:0] {",
		Test: "stream/gone-at-once",
	},
	{
		Name: "a recent state that a live change has overtaken",
		File: "sse/past.go",
		Old:  "if !s.past.waiting[c.Ref] {",
		New:  "if false {",
		Test: "past/never-older",
	},
	{
		Name: "a past that is told before all else",
		File: "sse/past.go",
		Old:  "!time.Now().Before(p.due)",
		New:  "true",
		Test: "past/overtaken",
	},
}
