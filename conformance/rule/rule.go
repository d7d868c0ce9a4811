package rule

import (
	"fmt"
	"slices"
)

// Rule is one promise, and the check that it is kept. A check is written with a V, which is opened
// for it alone.
type Rule[V any] struct {
	// ID is how people, exemptions and planted bugs name the rule, as in feed/order.
	ID string
	// Says is the promise in one sentence.
	Says  string
	Check func(V)
}

// Find returns the rule with that ID.
func Find[V any](rules []Rule[V], id string) (Rule[V], bool) {
	i := slices.IndexFunc(rules, func(r Rule[V]) bool { return r.ID == id })
	if i < 0 {
		return Rule[V]{}, false
	}
	return rules[i], true
}

// Run holds a subject to rules, one subtest each. Where tests may run beside each other, rules do:
// each has a subject of its own, or writes where no other does.
func Run[R Runner[R], V any](t R, s Subject[V], rules []Rule[V]) {
	for _, r := range rules {
		t.Run(r.ID, func(t R) {
			if p, may := any(t).(interface{ Parallel() }); may {
				p.Parallel()
			}
			hold(t, s, r)
		})
	}
}

// hold reports what Try finds. An exempt rule must fail, or exemptions would outlive their reasons.
func hold[V any](t T, s Subject[V], r Rule[V]) {
	verdict, why := Try(t.Context(), s, r), s.exempt(r.ID)
	for _, line := range verdict.Logs {
		t.Logf("%s", line)
	}
	switch {
	case why == "":
		for _, line := range verdict.Explained() {
			t.Errorf("%s", line)
		}
	case len(verdict.Failures) == 0:
		t.Errorf("rule %s holds now: remove its exemption (%s)", r.ID, why)
	default:
		t.Logf("rule %s is exempt: %s", r.ID, why)
	}
}

// Explained names the rule in each failure.
func (v Verdict[V]) Explained() (lines []string) {
	seed := ""
	if v.Seed != 0 {
		seed = fmt.Sprintf(" (seed %d)", v.Seed)
	}
	for _, failure := range v.Failures {
		lines = append(lines, fmt.Sprintf("rule %s: %s: %s%s", v.Rule.ID, v.Rule.Says, failure, seed))
	}
	return lines
}
