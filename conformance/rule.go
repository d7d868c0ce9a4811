package conformance

import (
	"fmt"
	"slices"
)

// Rule is one promise of package backends, and the check that a backend keeps it.
type Rule struct {
	// ID is how people and exemptions name the rule, as in feed/order.
	ID string
	// Says is the promise in one sentence.
	Says  string
	check func(t T, h Harness)
}

// Rules lists all rules, group by group.
func Rules() []Rule {
	return slices.Concat(documentRules, jsonRules, scopeRules, errorRules, writeRules, upsertRules, batchRules,
		mutationRules, listRules, feedRules, sinceRules, retentionRules, outsideRules, concurrencyRules, ledgerRules,
		historyRules)
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

// Run holds a backend to every rule, or to those that are given, one subtest each.
func Run[R Runner[R]](t R, h Harness, rules ...Rule) {
	if len(rules) == 0 {
		rules = Rules()
	}
	for _, r := range rules {
		t.Run(r.ID, func(t R) { r.hold(t, h) })
	}
}

// hold reports what Try finds. An exempt rule must fail, lest exemptions outlive their reasons.
func (r Rule) hold(t T, h Harness) {
	failures, why := r.Try(t, h), h.Exempt(r.ID)
	switch {
	case why == "":
		for _, f := range failures {
			t.Errorf("%s", f)
		}
	case len(failures) == 0:
		t.Errorf("rule %s holds now: remove its exemption (%s)", r.ID, why)
	default:
		t.Logf("rule %s is exempt: %s", r.ID, why)
	}
}

// Try runs the rule and returns how the backend breaks it; nothing if it holds. Failures do not reach t.
func (r Rule) Try(t T, h Harness) []string {
	seed := seedOf(h)
	for n := range maxAttempts {
		a := r.attempt(t, seed, n)
		a.run(func(t T) { r.check(t, h) })
		for _, line := range a.logs {
			t.Logf("%s", line)
		}
		if a.inconclusive == "" || len(a.failures) > 0 {
			return r.explain(seed, a.failures)
		}
		t.Logf("rule %s: once more, for %s", r.ID, a.inconclusive)
	}
	return r.explain(seed, []string{"every attempt was inconclusive"})
}

// explain names the rule in each failure.
func (r Rule) explain(seed uint64, failures []string) (explained []string) {
	for _, f := range failures {
		explained = append(explained, fmt.Sprintf("rule %s: %s: %s (seed %d)", r.ID, r.Says, f, seed))
	}
	return explained
}
