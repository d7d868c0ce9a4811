package gateway_test

import "github.com/secondgate/secondgate/conformance/planted"

// agentBugs are of what agents may do, and of queries and undo. Each test runs on the model alone, where its
// name has databases.
func agentBugs() (all []planted.Bug) {
	for _, bug := range []struct{ name, file, old, new, test string }{
		{"equal documents come in any order", "../protocol/query_order.go", `return strings.Compare(a.ID, b.ID)`,
			`return 0`, "TestQueries"},

		{"writes leave no before-image", "store/write.go",
			`tx.Entries = s.changeSetEntries(p, &tx, s.trail.Entries(ctx, by, &tx, r.RequestID))`,
			`tx.Entries = s.trail.Entries(ctx, by, &tx, r.RequestID)`, "TestUndo"},
		{"changes do not say in which run", "store/change_set.go", `by.Run = p.ChangeSet`, `_ = p.ChangeSet`,
			"TestChangesSayByWhom"},
		{"everybody is told who made a change", "ws/open.go",
			`slices.Contains(strings.Split(features, ","), byFeature)`, `features == features`,
			"TestChangesSayByWhom"},
		{"an undo overwrites what changed since", "store/undo.go", `ID: u.ref.ID, IfRev: u.is}`, `ID: u.ref.ID}`,
			"TestUndo"},
		{"an undo overwrites what changed between", "store/undoing.go",
			`u.between = u.between || len(u.steps) > 2`, `u.between = false`, "TestUndoKeepsWhatOthersWroteBetween"},
		{"an undo does not find what was before", "store/undoing.go",
			`u.was, u.first, u.bytes = rev, s.key, s.bytes`, `u.was, u.bytes = rev, s.bytes`, "TestUndo"},
		{"a long document is not kept", "store/change_set.go", `len(c.Before.Data) > inlineBefore &&`, `false &&`,
			"TestUndoKeepsWhatOthersWroteBetween"},
		{"an agent undoes what another did", "store/change_set.go", `if p.Agent != nil && b.Agent != p.Actor.ID {`,
			`if false {`, "TestAgentsDoNotUseEachOthers"},
		{"an undo's rows name no approval", "store/undo.go", `by.Approval = approval`, `_ = approval`,
			"TestApprovalAudit"},

		{"a deletion ignores what changed since", "store/delete_where.go", `DocID: d.ref.ID, IfRev: d.is,`,
			`DocID: d.ref.ID,`, "TestMCPDelete"},
		{"another agent's deletion is carried out", "store/delete_where.go", `kept.By != p.ID || `, ``,
			"TestAgentsDoNotUseEachOthers"},
		{"a part of a deletion is carried out", "store/delete_where.go", `if len(all) > undoAtOnce {`, `if false {`,
			"TestDeletionOfManyIsWhole"},
		{"a dry run without end", "store/dry_run.go", `if d.bytes > maxResults {`, `if false {`,
			"TestDryRunIsBounded"},

		{"an approval is kept after an edit", "approvals/approvals.go", `			d.Approval = nil
		}
		return events, nil`, `		}
		return events, nil`, "TestApprovalStates"},
		{"an approval counts for any file", "approvals/state.go",
			`file.Hash() != s.Approval.Hash`, `file == nil`, "TestApprovalStates"},
		{"what was approved is not forgotten", "approvals/approvals.go", `a.forget(s)`, ``,
			"TestApprovalEndsAtOnce"},
		{"approvals leave no rows", "approvals/approvals.go", `&batch, rowsOf(s, events))`, `&batch, nil)`,
			"TestApprovalAudit"},
		{"an approval for the draft alone looks like any other", "audit/agents_config.go", `if c.MockOnly {`,
			`if false {`, "TestApprovalAudit"},

		{"rights are asked for after the operation", "agents/write.go",
			`	if refused := d.identify(ctx, c, c.uses()); refused != nil {
		return refused
	}
	request, refused := c.request()
`, `	request, refused := c.request()
	if refused == nil {
		refused = d.identify(ctx, c, c.uses())
	}
`, "TestInternalDoors"},
		{"an empty filter matches any document", "agents/write.go", `case len(c.Filter) == 2:`, `case false:`,
			"TestInternalDoors"},

		{"operations are not asked for", "approvals/known.go", `case !of.Has(u.Operation):`, `case false:`,
			"TestOperationsAtTheInternalDoors"},
		{"an undo may delete without the right", "store/undoing.go", `		return access.OpDelete
`, `		return access.OpInsert
`, "TestOperationsOverMCP"},
		{"a write shows what may not be read", "store/write.go", `hideUnread(ctx, p, scope, &out[i].Answer)`, ``,
			"TestOperationsAtTheInternalDoors"},
		{"a token's operations do not count", "mcp/door.go", `p.AgentOperations)`, `0)`, "TestOperationsOverMCP"},
		{"an unknown parameter is taken", "mcp/agent.go", `d.DisallowUnknownFields()`, ``, "TestMCPTools"},
		{"a call has no cap", "mcp/cap.go", `if l.documents <= a.door.Cap {`, `if true {`, "TestMCPAsksThePerson"},
		{"any answer of a person allows", "mcp/cap.go", `allowed && action == "accept"`,
			`(allowed || true) && action == "accept"`,
			"TestMCPForgedAnswer"},
		{"a client's answer counts unasked", "mcp/cap.go", `answered && a.door.Elicitation {`, `answered {`,
			"TestMCPClientsAllowNothing"},
		{"an upsert over MCP matches any document", "mcp/agent.go",
			`if one.Filter != nil && len(one.Filter) == len("{}") {`, `if one.Filter != nil && false {`, "TestMCPEmptyFilters"},
		{"an agent's token is for every gateway", "access/jwt.go", ` jwt.WithAudience(audience),`, ``,
			"TestMCPHostile"},
	} {
		all = append(all, planted.Bug{
			Name: bug.name, File: bug.file, Old: bug.old, New: bug.new,
			Test: "^" + bug.test + "$/^model$", Says: "--- FAIL: " + bug.test,
		})
	}
	return all
}

// queryBugs are of the grammar of queries. The tests of protocol notice them.
func queryBugs() []planted.Bug {
	return []planted.Bug{{
		Name: "a range over kinds", File: "../protocol/query.go",
		Old: `if value == nil || kindOf(value) != kindOf(c.value) {`, New: `if value == nil {`,
		Test: "^TestWhere$", Says: "--- FAIL: TestWhere",
	}}
}

// forwardBugs are of approvals that a web app keeps.
func forwardBugs() []planted.Bug {
	return []planted.Bug{{
		Name: "a draft's file is not compared with its approval", File: "approvals/known.go",
		Old: `State{File: file.Text, Approval:`, New: `State{Approval:`,
		Test: "^TestRightsOfSecond$", Says: "--- FAIL: TestRightsOfSecond",
	}, {
		Name: "approvals of the web app are not read", File: "gateway.go",
		Old: `shares && c.Agents.Forward != nil`, New: `shares && web == nil`,
		Test: "^TestRightsOfSecond$", Says: "--- FAIL: TestRightsOfSecond",
	}}
}

// approvalBugs are of what one gateway knows of another one's approvals. The tests of approvals
// notice them.
func approvalBugs() (all []planted.Bug) {
	for _, bug := range []struct{ name, file, old, new string }{
		{"another gateway's approvals are known too long", "approvals/known.go",
			`a.now().Sub(k.read) < knownTime`, `a.now().Sub(k.read) < 4*knownTime`},
		{"the feed's changes of approvals are not heeded", "approvals/known.go",
			`a.forget(r.Scope.OfSystem())`, `_ = r`},
		{"the hub does not tell of reserved scopes", "hub/deliver.go", `h.tellReserved(&batch)`, ``},
	} {
		all = append(all, planted.Bug{
			Name: bug.name, File: bug.file, Old: bug.old, New: bug.new,
			Test: "^TestApprovalsHeedTheFeed$/^model$", Says: "--- FAIL: TestApprovalsHeedTheFeed",
		})
	}
	return all
}
