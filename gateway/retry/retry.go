package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

const (
	firstWait = 50 * time.Millisecond
	// longestWait bounds the time between two attempts. Clients wait no longer than that for a
	// database that is back.
	longestWait = 2 * time.Second
)

// Unavailable calls attempt as Do does, as long as it fails with the code unavailable and at most
// for max.
func Unavailable(
	ctx context.Context, max time.Duration, attempt func(ctx context.Context) *protocol.Error,
) *protocol.Error {
	ctx, cancel := context.WithTimeout(ctx, max)
	defer cancel()
	err := Do(ctx, isUnavailable, func(ctx context.Context) error {
		if refused := attempt(ctx); refused != nil {
			return refused
		}
		return nil
	})
	refused, _ := err.(*protocol.Error)
	return refused
}

func isUnavailable(err error) bool { return protocol.CodeOf(err) == protocol.CodeUnavailable }

// Always takes every error for a passing one.
func Always(error) bool { return true }

// Do calls attempt until it succeeds, fails with an error that is not passing, or ctx ends. It
// returns nil, that error, or the last passing error. Between attempts it waits 50 ms, then twice
// as long each time up to 2 s, give or take half: callers that failed together do not come back
// together.
func Do(ctx context.Context, passing func(error) bool, attempt func(ctx context.Context) error) error {
	var last error
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := attempt(ctx)
		switch {
		case err == nil:
			return nil
		case last != nil && ctx.Err() != nil:
			return last // time ran out because of it; err only says that time ran out
		case !passing(err):
			return err
		}
		last = err
		if !pause(ctx, wait/2+rand.N(wait)) {
			return last
		}
	}
}

// pause waits; it returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
