package conformance

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
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
	id       string
	rng      *rand.Rand
	patience time.Duration
	ctx      context.Context
	cancel   context.CancelFunc

	mu           sync.Mutex
	failures     []string
	inconclusive string
	logs         []string
	cleanups     []func()
}

// Found is what one run of a rule has found.
type Found struct {
	// Failures is how the rule was broken; nothing if it holds.
	Failures []string
	Logs     []string
}

// Try runs check as the rule id, for at most so long, outside of any test: the binary has none. Failures are returned.
func Try(ctx context.Context, id string, patience time.Duration, check func(T)) Found {
	a := &attempt{id: id, patience: patience}
	a.ctx, a.cancel = context.WithTimeout(ctx, patience)
	a.run(check)
	a.mu.Lock() // a check that hangs may still speak
	defer a.mu.Unlock()
	return Found{slices.Clone(a.failures), slices.Clone(a.logs)}
}

// attempt is the n-th of a rule about a backend.
func (r Rule) attempt(t T, seed uint64, n int) *attempt {
	name := fnv.New64()
	fmt.Fprint(name, r.ID, n)
	a := &attempt{id: r.ID, patience: patience, rng: rand.New(rand.NewPCG(seed, name.Sum64()))}
	a.ctx, a.cancel = context.WithTimeout(t.Context(), patience)
	return a
}

// seedOf is the seed of a harness's dice.
func seedOf(h Harness) uint64 {
	if s, ok := h.(Seeded); ok {
		return s.Seed()
	}
	return 1
}

func (a *attempt) run(check func(T)) {
	defer a.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.cancel() // after the cleanups: some of them stop writers in the middle of a write
		defer a.clean()
		defer a.guard()
		check(a)
	}()
	select {
	case <-done:
	case <-time.After(a.patience + a.patience/4):
		a.Errorf("it did not end within %v", a.patience)
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
func (a *attempt) Helper()                  {} // failures name no line: the rule's id says more
func (a *attempt) Name() string             { return a.id }

// TempDir is removed after the cleanups that were asked for later.
func (a *attempt) TempDir() string {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		a.Fatalf("no temporary directory: %v", err)
	}
	a.Cleanup(func() { _ = os.RemoveAll(dir) }) // what stays is in the way of nobody
	return dir
}

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
	a.failures = append(a.failures, fmt.Sprintf(format, args...))
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
