package wire

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/protocol"
)

// Target is a running gateway, and the part of it that rules may write to.
type Target struct {
	// URL is the gateway's base, such as http://127.0.0.1:8080.
	URL       string
	Workspace string
	// App is the one app to use; empty: each rule makes up an app of its own.
	App string
	// Wait is how long a rule waits for one thing: what has not come by then does not come. 0 means
	// 20 s. A busy machine needs more.
	Wait time.Duration
}

func (t Target) wait() time.Duration { return cmp.Or(t.Wait, 20*time.Second) }

// Rule is one promise of docs/protocol.md, and the check that a gateway keeps it.
type Rule = rule.Rule[*trial]

// Verdict is what one rule has found.
type Verdict = rule.Verdict[*trial]

// patience is how long a rule may take, beyond its waits: heartbeats may be 60 s apart.
const patience = 150 * time.Second

// Rules lists all rules, group by group.
func Rules() []Rule {
	return slices.Concat(
		handshakeRules, frameRules, requestRules, readRules, changeRules, byRules, followRules,
		cursorRules, pagingRules, queryRules, limitRules, doorRules(), restRules, streamRules, resetRules,
	)
}

// Find returns the rule with that ID.
func Find(id string) (Rule, bool) { return rule.Find(Rules(), id) }

// Run holds a gateway to every rule, or to those that are given, one subtest each.
func Run[R rule.Runner[R]](t R, target Target, rules ...Rule) {
	if len(rules) == 0 {
		rules = Rules()
	}
	rule.Run(t, target.subject(), rules)
}

// Try runs one rule and returns how the gateway breaks it; nothing if it holds.
func Try(ctx context.Context, target Target, r Rule) []string {
	return rule.Try(ctx, target.subject(), r).Failures
}

// Check holds a gateway to rules, atOnce of them at a time, and reports each verdict in the rules'
// order as soon as it can.
func Check(ctx context.Context, target Target, rules []Rule, atOnce int, report func(Verdict)) {
	rule.Check(ctx, target.subject(), rules, atOnce, report)
}

func (t Target) subject() rule.Subject[*trial] {
	return rule.Subject[*trial]{
		Open: func(a *rule.Attempt) *trial { return open(a, t) }, Patience: patience + 2*t.wait(),
	}
}

// open makes up the names that one rule writes under.
func open(a *rule.Attempt, target Target) *trial {
	r := &trial{Attempt: a, ctx: a.Context(), target: target, mark: strings.ToLower(rand.Text()[:12])}
	r.scope = protocol.Scope{Workspace: strings.ToLower(target.Workspace), App: target.App}
	if r.scope.App == "" {
		r.scope.App = "conformance-" + r.mark
	}
	r.scopes = []protocol.Scope{r.scope}
	a.Cleanup(r.tidy)
	return r
}
