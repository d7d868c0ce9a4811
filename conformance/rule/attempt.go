package rule

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

// Attempt is the T of one run of a check. It keeps failures to itself, runs the check on a
// goroutine of its own, and does not wait for one that hangs.
type Attempt struct {
	// Rand is the attempt's dice, for the goroutine of the check.
	Rand *rand.Rand

	id       string
	patience time.Duration
	ctx      context.Context
	cancel   context.CancelFunc

	mu sync.Mutex // guards what follows
	findings
	cleanups []func()
}

// findings is what an attempt has noted.
type findings struct {
	failures     []string
	inconclusive string
	logs         []string
}

// newAttempt is the n-th at a rule.
func newAttempt(ctx context.Context, id string, seed uint64, n int, patience time.Duration) *Attempt {
	name := fnv.New64()
	fmt.Fprint(name, id, n)
	a := &Attempt{id: id, patience: patience, Rand: rand.New(rand.NewPCG(seed, name.Sum64()))}
	a.ctx, a.cancel = context.WithTimeout(ctx, patience)
	return a
}

// found returns what has been noted up to now: a check that hangs may still speak.
func (a *Attempt) found() findings {
	a.mu.Lock()
	defer a.mu.Unlock()
	return findings{slices.Clone(a.failures), a.inconclusive, slices.Clone(a.logs)}
}

func (a *Attempt) run(check func()) {
	defer a.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.cancel() // after the cleanups: some of them stop writers in the middle of a write
		defer a.clean()
		defer a.Guard()
		check()
	}()
	select {
	case <-done:
	case <-time.After(a.patience + a.patience/4):
		a.Errorf("it did not end within %v", a.patience)
	}
}

// Guard turns a panic into a failure: a broken subject may answer anything. Every goroutine of a
// check defers it.
func (a *Attempt) Guard() {
	if p := recover(); p != nil {
		a.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// clean runs the cleanups, last first; each even if the one before it failed.
func (a *Attempt) clean() {
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

func (a *Attempt) Context() context.Context { return a.ctx }
func (a *Attempt) Helper()                  {} // failures name no line: the rule's id says more
func (a *Attempt) Name() string             { return a.id }

// TempDir makes a directory that goes after the cleanups that were registered later.
func (a *Attempt) TempDir() string {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		a.Fatalf("no temporary directory: %v", err)
	}
	a.Cleanup(func() { _ = os.RemoveAll(dir) }) // what stays does no harm
	return dir
}

func (a *Attempt) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *Attempt) Logf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.logs = append(a.logs, fmt.Sprintf(format, args...))
}

func (a *Attempt) Errorf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures = append(a.failures, fmt.Sprintf(format, args...))
}

func (a *Attempt) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	runtime.Goexit()
}

func (a *Attempt) FailNow() {
	if !a.Failed() {
		a.Errorf("it failed")
	}
	runtime.Goexit()
}

func (a *Attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.failures) > 0
}

// Inconclusive ends an attempt in which the subject used a freedom that hides what the rule looks
// for.
func (a *Attempt) Inconclusive(why string) {
	a.mu.Lock()
	a.inconclusive = why
	a.mu.Unlock()
	runtime.Goexit()
}
