package gateway_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted is a bug in production code, and the rule that must notice it.
type planted struct {
	name, file, old, new string
	test, rule           string
}

var plantedBugs = []planted{
	{
		name: "a message before the welcome", // whether a drain that starts too early shows depends on the scheduler
		file: "ws/open.go", old: "s.sender = sender.New(s, shard)\n", new: "s.sender = sender.New(s, shard)\n\ts.push(protocol.AppendBookmark(nil, \"x\"))\n",
		test: "TestRules/welcome/first", rule: "welcome/first",
	},
	{
		name: "a bookmark before the stream has reached an answered list",
		file: "ws/changes.go", old: "if waiting == 0 && s.bookmarkDue(d.Cursor) {", new: "if s.bookmarkDue(d.Cursor) || waiting > 0 {",
		test: "TestRules/bookmark/after-answers", rule: "bookmark/after-answers",
	},
	{
		name: "changes not held during a read",
		file: "ws/output.go", old: "if s.holding == 0 && size < hub.FrameBytes {", new: "if size < hub.FrameBytes {",
		test: "TestRules/reads/never-older", rule: "reads/never-older",
	},
	{
		name: "a change skipped by whoever resumes inside the log",
		file: "hub/subscription.go", old: "s.behind = !from.Reached(s.log.start)", new: "s.behind = !from.Reached(s.log.start)\n\tdefer func() { s.next = min(s.next+1, s.log.end()) }()",
		test: "TestRules/resume/exact", rule: "resume/exact",
	},
	{
		name: "a catch-up that loses a change",
		file: "hub/catchup.go", old: "changesOf(b.Changes), b.Cursor", new: "changesOf(b.Changes[1:]), b.Cursor",
		test: "TestRules/slow/exact", rule: "slow/exact",
	},
	{
		name: "a leaked scope",
		file: "hub/deliver.go", old: "e := entries[c.Ref.Scope]", new: "c.Ref.Scope = h.anyScope(); e := entries[c.Ref.Scope]",
		test: "TestRules/scopes/isolated", rule: "scopes/isolated",
	},
	{
		name: "a settlement before its bookmark",
		file: "ws/changes.go", old: "if !w.covered(d.Cursor) {", new: "if false {",
		test: "TestRules/writes/settled", rule: "writes/settled",
	},
	{
		name: "settlements that never come",
		file: "ws/work.go", old: "if w.Answer.Err == nil && s.concerns(w.Outcome.Changes) {", new: "if false {",
		test: "TestRules/writes/settled", rule: "writes/settled",
	},
	{
		name: "a subscription that sends everything",
		file: "hub/interest.go", old: "return i.all || i.follows(c.Ref.Collection, c.Ref.ID)", new: "return true",
		test: "TestRules/subscribe/only", rule: "subscribe/only",
	},
	{
		name: "the deletes of a replay stay in a buffer",
		file: "sse/replay.go", old: "r.start\n\treturn s.body.Rest()", new: "r.start\n\treturn nil",
		test: "TestStreamRules/sqlite/stream/gone-at-once", rule: "stream/gone-at-once",
	},
	{
		name: "answers out of order",
		file: "ws/work.go", old: "return max(n, 1)\n}", new: "return len(s.queue)\n}",
		test: "TestRules/requests/in-order", rule: "requests/in-order",
	},
}

// TestPlantedBugs builds the gateway with each bug in turn and sees the named rule fail. The same rules pass without
// them: TestRules.
func TestPlantedBugs(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	for _, bug := range plantedBugs {
		t.Run(bug.name, func(t *testing.T) {
			out, err := exec.Command("go", "test", "-count=1", "-overlay", overlay(t, bug), "-run", "^"+strings.ReplaceAll(bug.test, "/", "$/^")+"$", ".").CombinedOutput()
			require.Error(t, err, "the bug was not noticed:\n%s", out)
			require.Contains(t, string(out), "rule "+bug.rule+":", "it failed, but not by its rule")
		})
	}
}

// overlay is a go build overlay that replaces one file by a copy with the bug.
func overlay(t *testing.T, bug planted) string {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(bug.file)
	require.NoError(t, err)
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(source), bug.old), "the line to damage must be there once: %s", bug.old)
	damaged := strings.Replace(string(source), bug.old, bug.new, 1)
	if strings.Contains(bug.new, "anyScope") {
		damaged += "\nfunc (h *Hub) anyScope() (s protocol.Scope) {\n\tfor s = range h.scopes {\n\t}\n\treturn s\n}\n"
	}
	to := filepath.Join(dir, "damaged.go")
	require.NoError(t, os.WriteFile(to, []byte(damaged), 0o600))
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: to}})
	require.NoError(t, err)
	path := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}
