package conformance

import (
	"slices"
	"time"

	"github.com/secondgate/secondgate/conformance/rule"
)

// Rule is one promise of package backends, and the check that a backend keeps it.
type Rule = rule.Rule[*trial]

// patience is how long a rule may take. It is for rules that hang: a busy machine needs minutes for
// some.
const patience = 4 * time.Minute

// Rules lists all rules, group by group.
func Rules() []Rule {
	return slices.Concat(
		documentRules, jsonRules, scopeRules, errorRules, writeRules, upsertRules, batchRules, mutationRules,
		listRules, feedRules, sinceRules, retentionRules, outsideRules, concurrencyRules, ledgerRules, historyRules,
		usageRules,
	)
}

// Find returns the rule with that ID.
func Find(id string) (Rule, bool) { return rule.Find(Rules(), id) }

// Run holds a backend to every rule, or to those that are given, one subtest each.
func Run[R rule.Runner[R]](t R, h Harness, rules ...Rule) {
	if len(rules) == 0 {
		rules = Rules()
	}
	rule.Run(t, subject(h), rules)
}

// Try runs one rule and returns how the backend breaks it; nothing if it holds. Failures do not
// reach t.
func Try(t T, h Harness, r Rule) []string {
	verdict := rule.Try(t.Context(), subject(h), r)
	for _, line := range verdict.Logs {
		t.Logf("%s", line)
	}
	return verdict.Explained()
}

func subject(h Harness) rule.Subject[*trial] {
	return rule.Subject[*trial]{
		Open:     func(a *rule.Attempt) *trial { return open(a, h) },
		Patience: patience,
		Seed:     seedOf(h),
		Exempt:   h.Exempt,
	}
}

// Seeded is a Harness with a seed of its own; without it the rules' dice have the seed 1.
type Seeded interface{ Seed() uint64 }

func seedOf(h Harness) uint64 {
	if s, ok := h.(Seeded); ok {
		return s.Seed()
	}
	return 1
}
