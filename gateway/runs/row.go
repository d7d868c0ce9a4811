package runs

import (
	"unicode/utf8"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/protocol"
)

// outcomes are what rows say of each event.
var outcomes = map[string]string{
	"created": audit.OutcomeStarted, "started": audit.OutcomeStarted,
	"completed": audit.OutcomeCompleted, "failed": audit.OutcomeFailure,
}

// row is app_agent_run.created, started, completed or failed. Prompts are in no row.
func (r *Runs) row(run *Run, event string, by audit.Actor) audit.Row {
	source := audit.Source{Kind: "app_iframe", Trust: "client_untrusted", AppID: run.App, Version: run.Version}
	if by.Kind != "user" && by.Kind != "anonymous" {
		source.Kind, source.Trust = "app_agent", "internal_trusted"
	}
	severity := audit.SeverityInfo
	if event == "failed" {
		severity = audit.SeverityWarning
	}
	return audit.Row{
		Workspace: run.Scope.Workspace, Event: "app_agent_run." + event, Category: audit.CategoryAgents,
		Severity: severity, Outcome: outcomes[event], Action: event,
		Summary: "Agent run " + event + ": " + run.AgentName + ".", Actor: by, Source: source,
		Target: audit.Target{Type: "agent_run", Name: run.AgentName, ParentType: "app", ParentID: run.App},
		Metadata: audit.Metadata(map[string]any{
			"agentId": run.AgentID, "agentName": run.AgentName, "sourceVersion": run.Version,
			"promptLength": utf8.RuneCountInString(run.Prompt),
		}),
		Related: audit.Related{AppID: run.App},
	}
}

// starter is who creates or starts a run.
func starter(p access.Principal, s protocol.Scope) audit.Actor {
	a := audit.Actor{Kind: p.Actor.Kind, ID: p.Actor.ID, Name: p.Name}
	a.Role, _ = p.RolesIn(s)
	return a
}
