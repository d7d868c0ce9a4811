package audit

import "github.com/secondgate/secondgate/protocol"

// AgentsConfig is something that happened to the approval of an app's agents.json.
type AgentsConfig struct {
	Scope protocol.Scope // the version that it is about
	// Hash is of what was approved, or of the approval that ended; empty: there is no file.
	Hash string
	// Source is how it was approved; MockOnly: by somebody who may approve for the draft alone.
	Source   string
	MockOnly bool
}

// Approved is the row of an approval.
func (c AgentsConfig) Approved() Row {
	r := c.row("approved", "Approved the agents.json of an app.")
	r.Severity = SeverityNotice
	if c.MockOnly {
		r.Severity = SeverityInfo
	}
	return r
}

// Stale is the row of an approval that ended because another file was saved: after is that file's hash.
func (c AgentsConfig) Stale(after string) Row {
	r := c.row("stale", "An approval of an app's agents.json ended: another file was saved.")
	r.Severity, r.Changes = SeverityNotice, &Changes{BeforeHash: c.Hash, AfterHash: after}
	return r
}

// Revoked is the row of an approval that somebody took back.
func (c AgentsConfig) Revoked() Row {
	r := c.row("revoked", "Took back the approval of an app's agents.json.")
	r.Severity, r.Changes = SeverityWarning, &Changes{BeforeHash: c.Hash}
	return r
}

func (c AgentsConfig) row(action, summary string) Row {
	values := map[string]any{
		"hasAgentsJson": c.Hash != "", "sourceVersion": c.Scope.Version(), "mockOnly": c.MockOnly,
	}
	if c.Hash != "" {
		values["agentsJsonHash"] = c.Hash
	}
	if c.Source != "" {
		values["approvalSource"] = c.Source
	}
	return Row{
		Workspace: c.Scope.Workspace, Event: "app.agents_config." + action, Category: CategoryAgents,
		Outcome: OutcomeSuccess, Action: action, Summary: summary,
		Target:   Target{Type: "agent", ID: c.Hash, ParentType: "app", ParentID: c.Scope.App},
		Metadata: Metadata(values), Related: Related{AppID: c.Scope.App},
	}
}
