package gateway_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/planted"
)

// plantedBug is a bug in production code, and the rule that must notice it.
type plantedBug struct {
	name, file, old, new string
	// rule is one of conformance/wire; with own set, one of this package's.
	rule string
	own  bool
}

var plantedBugs = []plantedBug{
	{
		name: "a message before the welcome", // a drain that starts too early shows only now and then
		file: "ws/open.go",
		old:  "s.sender = sender.New(s, shard)\n",
		new:  "s.sender = sender.New(s, shard)\n\ts.push(protocol.AppendBookmark(nil, \"x\"))\n",
		rule: "ws/welcome",
	},
	{
		name: "a bookmark before the stream has reached an answered list",
		file: "ws/changes.go",
		old:  "if waiting == 0 && s.bookmarkDue(d.Cursor) {",
		new:  "if s.bookmarkDue(d.Cursor) || waiting > 0 {",
		rule: "bookmark/after-answers", own: true, // the wire rule needs a slow feed to notice
	},
	{
		name: "changes not held during a read",
		file: "ws/output.go",
		old:  "if s.holding == 0 && size < hub.FrameBytes {",
		new:  "if size < hub.FrameBytes {",
		rule: "reads/never-older", own: true, // likewise
	},
	{
		name: "a change skipped by a client that resumes inside the log",
		file: "hub/subscription.go",
		old:  "s.behind = !from.Reached(s.log.start)",
		new:  "s.behind = !from.Reached(s.log.start)\n\tdefer func() { s.next = min(s.next+1, s.log.end()) }()",
		rule: "ws/resume-exact",
	},
	{
		name: "a catch-up that loses a change",
		file: "hub/catchup.go",
		old:  "changesOf(b.Changes), b.Cursor",
		new:  "changesOf(b.Changes[1:]), b.Cursor",
		rule: "slow/exact", own: true,
	},
	{
		name: "a leaked scope",
		file: "hub/deliver.go",
		old:  "e := entries[c.Ref.Scope]",
		new:  "for s := range h.scopes {\n\t\t\tc.Ref.Scope = s\n\t\t}\n\t\te := entries[c.Ref.Scope]",
		rule: "ws/scopes",
	},
	{
		name: "a settlement before its bookmark",
		file: "ws/changes.go",
		old:  "if !w.covered(d.Cursor) {",
		new:  "if false {",
		rule: "ws/settled-after-bookmark",
	},
	{
		name: "settlements that never come",
		file: "ws/work.go",
		old:  "if w.Answer.Err == nil && s.concerns(w.Outcome.Changes) {",
		new:  "if false {",
		rule: "ws/settled-once",
	},
	{
		name: "a subscription that sends everything",
		file: "hub/interest.go",
		old:  "return i.all || i.follows(c.Ref.Collection, c.Ref.ID)",
		new:  "return true",
		rule: "ws/follow-none",
	},
	{
		name: "deletes that a replay leaves out",
		file: "sse/replay.go",
		old:  "range gone {",
		new:  "range gone[:0] {",
		rule: "stream/gone-at-once", own: true,
	},
	{
		name: "a recent state that a live change has overtaken",
		file: "sse/past.go",
		old:  "if s.past.told[c.Ref] {",
		new:  "if false {",
		rule: "past/never-older", own: true,
	},
	{
		name: "a past that is told before all else",
		file: "sse/past.go",
		old:  "!time.Now().Before(p.due)",
		new:  "true",
		rule: "past/overtaken", own: true,
	},
	{
		name: "requests out of order",
		file: "ws/work.go",
		old:  "n := s.groupable()\n\ttasks := s.queue[:n:n]\n\ts.queue = s.queue[n:]",
		new:  "n := 1\n\ttasks := s.queue[len(s.queue)-1:]\n\ts.queue = s.queue[:len(s.queue)-1]",
		rule: "ws/order",
	},
}

// TestPlantedBugs builds the gateway with each bug in turn and sees the named rule fail. The same
// rules hold without the bugs: TestRules here and in conformance/wire.
func TestPlantedBugs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	for _, bug := range plantedBugs {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			out, caught := bug.run(t)
			require.True(t, caught, "the bug was not noticed:\n%s", out)
			require.Contains(t, out, "rule "+bug.rule+":", "it failed, but not by its rule")
		})
	}
}

// run holds the gateway with the bug to its rule.
func (b plantedBug) run(t *testing.T) (out string, caught bool) {
	made := planted.Bug{File: b.file, Old: b.old, New: b.new}
	test, flags := "TestRules/sqlite/fast/", []string{}
	if !b.own {
		made.Tests, test, flags = "../conformance/wire", "TestRules/fast/", []string{"-test.short"}
	}
	pattern := "^" + strings.ReplaceAll(test+b.rule, "/", "$/^") + "$"
	return planted.RunWith(t, made, append(flags, "-test.run", pattern))
}
