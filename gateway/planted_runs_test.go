package gateway_test

import (
	"strings"

	"github.com/secondgate/secondgate/conformance/planted"
)

// runBugs are about runs of agents.
func runBugs() (all []planted.Bug) {
	for _, bug := range bugsOfRuns {
		name, _, _ := strings.Cut(bug.Test, "/")
		bug.Says = "--- FAIL: " + name
		bug.Test = "^" + strings.ReplaceAll(bug.Test, "/", "$/^") + "$"
		all = append(all, bug)
	}
	return all
}

var bugsOfRuns = []planted.Bug{
	{
		Name: "a run is claimed by several workers", File: "runs/runs.go",
		Old: "DocID: run.ID, IfRev: run.rev}", New: "DocID: run.ID}", Test: "TestRunIsClaimedOnce/model",
	},
	{
		Name: "a later report changes the end", File: "runs/end.go",
		Old: "if refused != nil || !found || run.Status.Ended() {\n\t\t\treturn refused\n\t\t}\n\t\tif refused = r.writeEnd",
		New: "if refused != nil || !found {\n\t\t\treturn refused\n\t\t}\n\t\tif refused = r.writeEnd", Test: "TestRun/model",
	},
	{
		Name: "an end comes with the answer", File: "runs/end.go",
		Old: "return r.pause(ctx, restTime)", New: "return nil", Test: "TestEndComesAfterTheAnswer/model",
	},
	{
		Name: "an end comes before the answer", File: "runs/end.go",
		Old: "if refused := r.awaitAnswer(ctx, workspace, id); refused != nil {", New: "if refused != nil {",
		Test: "TestEndComesAfterTheAnswer/model",
	},
	{
		Name: "lost runs go on", File: "runs/limit.go",
		Old: "case !run.Status.Ended() && now.Before(moment(run.Deadline)):", New: "case !run.Status.Ended() && r.TimeLimit > 0:",
		Test: "TestLostRunFailsOnce/model",
	},
	{
		Name: "an order that is given again is another run", File: "runs/create.go",
		Old: "if o.MutationID == \"\" {", New: "if o.MutationID != \"\" || true {", Test: "TestOrdersAgain/model",
	},
	{
		Name: "orders of two people are one", File: "runs/create.go",
		Old: "[]string{p.ID, s.App, ", New: "[]string{s.App, ", Test: "TestOrdersAgain/model",
	},
	{
		Name: "the audit trail has prompts", File: "runs/row.go",
		Old: `"agentId": run.AgentID, "agentName"`, New: `"prompt": run.Prompt, "agentId": run.AgentID, "agentName"`,
		Test: "TestRun/model",
	},
	{
		Name: "a run that no worker took goes on", File: "runs/start.go",
		Old: "err := r.Driver.Start(asked, run, agent)\n\tif err == nil {", New: "err := r.Driver.Start(asked, run, agent)\n\tif true {",
		Test: "TestWorkerRefuses/model",
	},
	{
		Name: "workers get no token", File: "runs/driver.go",
		Old: `"Bearer "+w.Token`, New: `"Bearer "`, Test: "TestWorkerRequests",
	},
	{
		Name: "switched off tools are allowed", File: "runs/second.go",
		Old: `on, _ := t["enabled"].(bool); on && named`, New: `on, _ := t["enabled"].(bool); (on || !on) && named`,
		Test: "TestWorkerRequests",
	},
	{
		Name: "anybody reports and claims", File: "agents/worker.go",
		Old: "a := d.admit(r)", New: "a := d.admit(r)\n\t\ta = nil", Test: "TestRunReports/model",
	},
	{
		Name: "viewers see runs of drafts", File: "agents/runs.go",
		Old: "return refused == nil, nil", New: "return true, nil", Test: "TestRunRefusals/model",
	},
	{
		Name: "events of apps without access", File: "agents/events.go",
		Old: "run.Scope, access.Read); refused != nil {", New: "run.Scope, access.Read); refused != nil && refused.Code == \"\" {",
		Test: "TestWorkspaceEvents/model",
	},
	{
		Name: "events that repeat", File: "agents/events.go",
		Old: "if s.sent[run.ID] == run.Status {", New: "if s.sent[run.ID] == run.Status && run.ID == \"\" {",
		Test: "TestWorkspaceEvents/model",
	},
	{
		Name: "strangers listen", File: "agents/events.go",
		Old: `p.Roles.Workspaces[workspace] == "":`, New: `p.Roles.Workspaces[workspace] == "x":`, Test: "TestWhoHearsEvents",
	},
	{
		Name: "a refused trigger never ends", File: "ws/agents.go",
		Old: "s.push(protocol.AppendAgentUpdate(nil, r.AgentID, id, ", New: "_ = (protocol.AppendAgentUpdate(nil, r.AgentID, id, ",
		Test: "TestAgentSocket/model",
	},
	{
		Name: "ends of other tabs", File: "ws/agents.go",
		Old: "if waited && s.refused == nil {", New: "if s.refused == nil {", Test: "TestAgentSocket/model",
	},
	{
		Name: "an end of before is never told", File: "ws/agents.go",
		Old: "if replayed {", New: "if replayed && p.ID == \"\" {", Test: "TestAgentSocket/model",
	},
	{
		Name: "runs of another version are followed", File: "ws/agents.go",
		Old: "if refused == nil && run.Scope != s.scope {", New: "if refused == nil && run.Scope.App != s.scope.App {",
		Test: "TestAgentSocketAfterACut/model",
	},
	{
		Name: "the web app gets the paths of runs", File: "routes.go",
		Old: "if slices.Contains(ours, runsPart) && isOfRuns(path, parts) {", New: "if slices.Contains(ours, \"none\") && isOfRuns(path, parts) {",
		Test: "TestRunPathsBeforeAWebApp",
	},
}
