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
		file: "door_socket.go",
		old:  "o.all, s, s.shard)",
		new:  "o.all, s, s.shard)\n\ts.push(encodeBookmark(o.scope, s.sub.Sent()))",
		rule: "ws/welcome",
	},
	{
		name: "a bookmark before the stream has reached an answered list",
		file: "session_drain.go",
		old:  "if waiting == 0 && s.due(d.Cursor) {",
		new:  "if s.due(d.Cursor) || waiting > 0 {",
		rule: "ws/bookmark-after-answer",
	},
	{
		name: "changes not held during a read",
		file: "session_drain.go",
		old:  "if s.holding == 0 && size < frameBytes {",
		new:  "if size < frameBytes {",
		rule: "ws/read-holds-changes",
	},
	{
		name: "a change skipped by a client that resumes inside the log",
		file: "subscription.go",
		old:  "s.behind = !from.Reached(s.log.start)",
		new:  "s.behind = !from.Reached(s.log.start)\n\tdefer func() { s.next = min(s.next+1, s.log.end()) }()",
		rule: "ws/resume-exact",
	},
	{
		name: "a catch-up that loses a change",
		file: "catchup.go",
		old:  "delivery(batch.Changes), batch.Cursor",
		new:  "delivery(batch.Changes[1:]), batch.Cursor",
		rule: "slow/exact", own: true,
	},
	{
		name: "a leaked scope",
		file: "hub.go",
		old:  "e := entries[c.Ref.Scope]",
		new:  "for s := range h.scopes {\n\t\t\tc.Ref.Scope = s\n\t\t}\n\t\te := entries[c.Ref.Scope]",
		rule: "ws/scopes",
	},
	{
		name: "a settlement before its bookmark",
		file: "session_drain.go",
		old:  "if !w.covered(d.Cursor) {",
		new:  "if false {",
		rule: "ws/settled-after-bookmark",
	},
	{
		name: "settlements that never come",
		file: "session_work.go",
		old:  "if w.Answer.Err == nil && s.concerns(w.Outcome.Changes) {",
		new:  "if false {",
		rule: "ws/settled-once",
	},
	{
		name: "a subscription that sends everything",
		file: "following.go",
		old:  "return f.all || f.follows(c.Ref.Collection, c.Ref.ID)",
		new:  "return true",
		rule: "ws/follow-none",
	},
	{
		name: "a buffer that is given back with another's text in it",
		file: "stream_out.go",
		old:  "if len(*o.joined) > 0 {",
		new:  "if false {",
		rule: "stream/gone-at-once", own: true,
	},
	{
		name: "requests out of order",
		file: "session_work.go",
		old:  "n := s.run1()\n\ttasks := s.queue[:n:n]\n\ts.queue = s.queue[n:]",
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
