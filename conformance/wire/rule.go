package wire

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// Target is a running gateway, and the part of it that rules may write to.
type Target struct {
	// URL is the gateway's base, such as http://127.0.0.1:8080.
	URL       string
	Workspace string
	// App is the one app to use; empty: each rule makes up an app of its own.
	App string
}

// Rule is one promise of docs/protocol.md, and the check that a gateway keeps it.
type Rule struct {
	// ID is how people name the rule, as in ws/order.
	ID string
	// Says is the promise in one sentence.
	Says  string
	check func(r *trial)
}

// patience is how long a rule may take: a heartbeat may be 60 s apart.
const patience = 150 * time.Second

// Rules lists all rules, group by group.
func Rules() []Rule {
	return slices.Concat(handshakeRules, frameRules, requestRules, readRules, changeRules, followRules, cursorRules, pagingRules, limitRules,
		doorRules(), restRules, streamRules, resetRules)
}

// Find is the rule with that ID.
func Find(id string) (Rule, bool) {
	rules := Rules()
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// Run holds a gateway to every rule, or to those that are given, one subtest each.
func Run[R conformance.Runner[R]](t R, target Target, rules ...Rule) {
	if len(rules) == 0 {
		rules = Rules()
	}
	for _, rule := range rules {
		t.Run(rule.ID, func(t R) {
			for _, failure := range rule.Try(t.Context(), target) {
				t.Errorf("rule %s: %s: %s", rule.ID, rule.Says, failure)
			}
		})
	}
}

// Try runs the rule and returns how the gateway breaks it; nothing if it holds.
func (rule Rule) Try(ctx context.Context, target Target) []string {
	found := conformance.Try(ctx, rule.ID, patience, func(t conformance.T) {
		r := newTrial(t, target)
		t.Cleanup(r.tidy)
		rule.check(r)
	})
	return found.Failures
}

func newTrial(t conformance.T, target Target) *trial {
	r := &trial{T: t, ctx: t.Context(), target: target, mark: strings.ToLower(rand.Text()[:12])}
	r.scope = protocol.Scope{Workspace: strings.ToLower(target.Workspace), App: target.App}
	if r.scope.App == "" {
		r.scope.App = "conformance-" + r.mark
	}
	r.scopes = []protocol.Scope{r.scope}
	return r
}
