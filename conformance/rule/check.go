package rule

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxAttempts is how often a check may find that it cannot tell. A backend may lose a scope's
// changes now and then, but not whenever it is looked at.
const maxAttempts = 6

// Verdict is what one rule has found.
type Verdict[V any] struct {
	Rule Rule[V]
	// Failures is how the rule was broken; none if it holds.
	Failures []string
	Logs     []string
	Took     time.Duration
	Seed     uint64
}

// Try holds a subject to one rule. It attempts an inconclusive check again.
func Try[V any](ctx context.Context, s Subject[V], r Rule[V]) Verdict[V] {
	v := Verdict[V]{Rule: r, Seed: s.Seed}
	begun := time.Now()
	for n := range maxAttempts {
		a := newAttempt(ctx, r.ID, s.Seed, n, s.Patience)
		a.run(func() { r.Check(s.Open(a)) })
		found := a.found()
		v.Failures, v.Logs, v.Took = found.failures, append(v.Logs, found.logs...), time.Since(begun)
		if found.inconclusive == "" || len(v.Failures) > 0 {
			return v
		}
		v.Logs = append(v.Logs, fmt.Sprintf("rule %s: once more, for %s", r.ID, found.inconclusive))
	}
	v.Failures = []string{"every attempt was inconclusive"}
	return v
}

// Check holds a subject to rules, atOnce of them at a time, and reports each verdict in the rules'
// order as soon as it can. It returns when all have ended. It calls report on the caller's
// goroutine.
func Check[V any](ctx context.Context, s Subject[V], rules []Rule[V], atOnce int, report func(Verdict[V])) {
	verdicts := make([]chan Verdict[V], len(rules))
	next := make(chan int, len(rules))
	for i := range rules {
		verdicts[i] = make(chan Verdict[V], 1)
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	defer workers.Wait()
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				verdicts[i] <- Try(ctx, s, rules[i])
			}
		})
	}
	for _, v := range verdicts {
		report(<-v)
	}
}
