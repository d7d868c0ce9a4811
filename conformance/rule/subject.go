package rule

import (
	"context"
	"time"
)

// T is what a check needs of a test. *testing.T has it, and so has [Attempt].
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	FailNow()
	Failed() bool
	Cleanup(func())
	TempDir() string
	Context() context.Context
}

// Runner is a T that runs subtests. *testing.T satisfies it, although this package does not import
// testing.
type Runner[R any] interface {
	T
	Run(name string, f func(R)) bool
}

// Subject is what rules are held to.
type Subject[V any] struct {
	// Open prepares the subject for one attempt at one rule. What it starts ends by Cleanup.
	Open func(*Attempt) V
	// Patience is how long one attempt may take. It is for checks that hang: no rule measures time
	// by it.
	Patience time.Duration
	// Seed is that of the dice; 0 where no rule throws any.
	Seed uint64
	// Exempt, if set, says why a rule does not hold for this subject; "" where it does.
	Exempt func(rule string) (why string)
}

func (s Subject[V]) exempt(rule string) string {
	if s.Exempt == nil {
		return ""
	}
	return s.Exempt(rule)
}
