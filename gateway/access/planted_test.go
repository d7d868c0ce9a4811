package access

import (
	"testing"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the decisions with bugs. The named test must fail with each.
func TestPlantedBugs(t *testing.T) {
	suite := planted.Suite{}
	for _, bug := range []struct{ name, file, old, new, test string }{
		{"who is outside the workspace gets in", "roles.go", `case role == "":`, `case false:`, "TestRoles"},
		{"a member gets into every app", "roles.go", `case app == "":`, `case false:`, "TestRoles"},
		{"a viewer gets the draft", "roles.go", `case s.Draft && app == Viewer:`, `case false:`, "TestRoles"},
		{"the draft's role counts for all versions", "roles.go", `s.Draft && app == Viewer`, `app == Viewer`,
			"TestRoles"},
		{"a credential holds for an hour more", "principal.go", `!now.Before(p.Expires)`,
			`now.After(p.Expires.Add(time.Hour))`, "TestGuard"},
		{"extensions are ignored", "jwt.go", `; critical {`, `; critical && false {`, "TestAttackedTokens"},
		{"any kind of token counts", "jwt.go",
			`!slices.Contains(kinds, strings.ToLower(name)) {`,
			`!slices.Contains(append(kinds, strings.ToLower(name)), strings.ToLower(name)) {`, "TestAttackedTokens"},
		{"any key of a set counts", "keys.go", `if algorithmOf(key) != t.Method.Alg() {`, `if false {`,
			"TestRemoteKeys"},
		{"a flood of unknown keys is fetched", "keys.go", `!k.unknown.Allow()`, `!k.unknown.Allow() && false`,
			"TestRemoteKeys"},
		{"two credentials at once", "credential.go", `case len(tokens) > 1:`, `case false:`, "TestCredentials"},
		{"a token in the URL", "credential.go", `if hasTokenInURL(r.URL) {`, `if false {`, "TestCredentials"},
		{"a name may be of a private address", "fetch.go", `if !isPublic(at.Addr().Unmap()) {`, `if false {`,
			"TestPrivateAddresses"},
		{"a redirect is followed", "fetch.go", `return http.ErrUseLastResponse`, `return nil`,
			"TestRemoteKeysThatCannotBeHad"},
		{"answers hold for ever", "answers.go", `one == nil || one.isOver()`, `one == nil`, "TestAnswersExpire"},
		{"another user takes over a connection", "hook.go", `if refused == nil && renewed.ID != p.ID {`,
			`if false {`, "TestHookRenews"},
		{"another user's session counts", "hook.go", `case fresh.ID != p.ID:`, `case false:`, "TestHookRenews"},
		{"an outage lets everybody stay", "guard.go", `Retryable && time.Since(g.allowed) < patience`,
			`Retryable`, "TestGuard"},
		{"what has ended is allowed again", "guard.go", `g.principal = &expired`, ``, "TestGuard"},
		{"nobody is asked again", "guard.go", `g.timer = time.AfterFunc(max(wait, leastWait), g.ask)`, `_ = wait`,
			"TestGuard"},
		{"a ticket holds twice", "ticket.go", `return t.ledger.Take(ctx, ticketKind, key)`, `return found[0], nil`,
			"TestTicketIsItsPrincipal"},
		{"a ticket opens every app", "ticket.go", `s.Workspace + "/" + s.App + "/"`, `s.Workspace + "/"`,
			"TestTicketsThatDoNotHold"},
		{"a ticket is for every gateway", "ticket.go", `|| h.Realm != t.mode.Realm()`, ``,
			"TestTicketsThatDoNotHold"},
		{"tokens without a time are never revoked", "revocation.go", `ok && !p.issued.After(when)`,
			`ok && !p.issued.IsZero() && !p.issued.After(when)`, "TestRevocations"},
		{"revocations count for ever", "revocation.go", `> revokedHold`, `> 100*revokedHold`,
			"TestRevocationsThatCannotBeRead"},
		{"a race for a ticket is a failure", "ticket.go", `protocol.CodeOf(err) == protocol.CodeNotFound`, `false`,
			"TestTicketThatAnotherTakesFirst"},
		{"every host is served", "allowlist.go", `!slices.Contains(a.Hosts, strings.ToLower(r.Host))`, `r.Host == ""`,
			"TestAllowlist"},
		{"a second origin is not looked at", "allowlist.go", `len(origins) == 1 && `, ``, "TestAllowlist"},
		{"who is refused by a hook gets in", "hook.go", `case refused != nil:
		return refused
	case fresh`, `case refused == errOutside:
		return nil
	case fresh`, "TestSecondDecides"},
		{"a hook's session never ends", "hook.go", `if p.expired(h.now()) {`, `if false {`, "TestForwardRolesDecide"},
		{"a hook's roles are not asked", "hook.go", `fresh.Roles == nil`, `true`, "TestForwardRolesDecide"},
		{"any status of a hook lets in", "hook.go", `case http.StatusOK:`, `case http.StatusOK, http.StatusCreated:`,
			"TestForwardAnswers"},
		{"a long answer is read", "fetch.go", `left: maxAnswer`, `left: 2 * maxAnswer`, "TestForwardAnswers"},
		{"a token of another user renews", "jwt.go", `if renewed.ID != p.ID {`, `if false {`, "TestTokenRenews"},
		{"a bad token renews", "jwt.go", `if refused != nil {
		return p, refused
	}
	if renewed`, `if refused != nil {
		return p, nil
	}
	if renewed`, "TestTokenRenews"},
		{"a year beyond the calendar", "jwt.go", `case at.After(lastTime):
		return lastTime`, `case false:
		return lastTime`, "TestTokenOfAllTimes"},
		{"an agent's token is for all operations", "operation.go", `if !n.to.Has(u.Operation) {`, `if false {`,
			"TestNarrowed"},
		{"an agent's token allows what was not approved", "operation.go", `return allows(u)`, `_ = allows
		return nil`,
			"TestNarrowed"},
		{"a claim that nobody understands is left out", "agent_token.go", `!known || set == 0`, `set == 0`,
			"TestAgentTokensForOperations"},
		{"revocations are read once", "revocation.go", `timer.Reset(revokedInterval)`, `_ = timer`,
			"TestRevocationsAreReadAgain"},
	} {
		suite.Bugs = append(suite.Bugs, planted.Bug{
			Name: bug.name, File: bug.file, Old: bug.old, New: bug.new,
			Test: "^" + bug.test + "$", Says: "--- FAIL: " + bug.test,
		})
	}
	planted.Check(t, suite)
}
