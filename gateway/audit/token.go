package audit

import "time"

// TokenRevoked is the row of an operator's revocation of a user's tokens, or of the token with an id.
func TokenRevoked(workspace, user, id string, hold time.Duration) Row {
	target, values := Target{Type: "member", ID: user, Name: user}, map[string]any{"hours": hold.Hours()}
	summary := "Revoked the tokens of " + user + "."
	if id != "" { // the name of the metadata must not be one that audit pages hide, as "token"
		target, summary = Target{Type: "member", Name: "jti " + id}, "Revoked the token "+id+"."
		values["jti"] = clean(id, longestValue)
	}
	return Row{
		Workspace: workspace, Event: "auth.token.revoked", Category: CategoryAuth, Severity: SeverityWarning,
		Outcome: OutcomeSuccess, Action: "revoked", Summary: summary,
		Actor: Actor{Kind: "system", Name: "Operator"}, Source: Source{Kind: "cli", Trust: "server_trusted"},
		Target: target, Metadata: Metadata(values),
	}
}
