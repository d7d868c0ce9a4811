package conformance

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// maxAttempts is how often a rule may find that it could not tell: a backend may lose a scope's changes
	// now and then, but not whenever it is looked at.
	maxAttempts = 6
	// patience is how long a rule may take.
	patience = time.Minute
)

// Seeded is a Harness with a seed of its own; without it the rules' dice have the seed 1.
type Seeded interface{ Seed() uint64 }

// attempt is the T of one run of a rule. It keeps failures to itself, runs the check on a goroutine of its
// own and does not wait for one that hangs.
type attempt struct {
	T
	rule   Rule
	seed   uint64
	rng    *rand.Rand
	ctx    context.Context
	cancel context.CancelFunc

	mu           sync.Mutex
	failures     []string
	inconclusive string
	logs         []string
	cleanups     []func()
}

func (r Rule) attempt(t T, h Harness, n int) *attempt {
	a := &attempt{T: t, rule: r, seed: 1}
	if s, ok := h.(Seeded); ok {
		a.seed = s.Seed()
	}
	name := fnv.New64()
	fmt.Fprint(name, r.ID, n)
	a.rng = rand.New(rand.NewPCG(a.seed, name.Sum64()))
	a.ctx, a.cancel = context.WithTimeout(t.Context(), patience)
	return a
}

func (a *attempt) run(h Harness) {
	defer a.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.cancel() // after the cleanups: some of them stop writers in the middle of a write
		defer a.clean()
		defer a.guard()
		a.rule.check(a, h)
	}()
	select {
	case <-done:
	case <-time.After(patience + patience/4):
		a.Errorf("it did not end within %v", patience)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, line := range a.logs {
		a.T.Logf("%s", line)
	}
}

// guard turns a panic into a failure: what a broken backend answers may be anything. It is deferred on every
// goroutine of a check.
func (a *attempt) guard() {
	if p := recover(); p != nil {
		a.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// clean runs the cleanups, last first; each even if the one before it failed.
func (a *attempt) clean() {
	a.mu.Lock()
	n := len(a.cleanups)
	if n == 0 {
		a.mu.Unlock()
		return
	}
	last := a.cleanups[n-1]
	a.cleanups = a.cleanups[:n-1]
	a.mu.Unlock()
	defer a.clean()
	last()
}

func (a *attempt) Context() context.Context { return a.ctx }

func (a *attempt) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *attempt) Logf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.logs = append(a.logs, fmt.Sprintf(format, args...))
}

func (a *attempt) Errorf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	what := fmt.Sprintf(format, args...)
	a.failures = append(a.failures, fmt.Sprintf("rule %s: %s: %s (seed %d)", a.rule.ID, a.rule.Says, what, a.seed))
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	runtime.Goexit()
}

func (a *attempt) FailNow() {
	if !a.Failed() {
		a.Errorf("it failed")
	}
	runtime.Goexit()
}

func (a *attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.failures) > 0
}

// again ends an attempt in which the backend used a freedom that hides what the rule looks for.
func (a *attempt) again(why string) {
	a.mu.Lock()
	a.inconclusive = why
	a.mu.Unlock()
	runtime.Goexit()
}
