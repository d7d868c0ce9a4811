package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/protocol"
)

var (
	errAway  = protocol.Errorf(protocol.CodeUnavailable, "the database is away")
	errWrong = errors.New("wrong for good")
)

func TestDoStopsAtSuccessAndAtAnErrorThatIsNotPassing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []error{nil, errWrong} {
			calls := 0
			passing := func(err error) bool { return err == errAway }
			err := retry.Do(t.Context(), passing, func(context.Context) error {
				if calls++; calls < 4 {
					return errAway
				}
				return want
			})
			require.Equal(t, want, err)
			require.Equal(t, 4, calls)
		}
	})
}

func TestDoReturnsThePassingErrorWhenTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		err := retry.Unavailable(t.Context(), 10*time.Second, func(ctx context.Context) *protocol.Error {
			if calls++; calls < 3 {
				return errAway
			}
			<-ctx.Done()
			return protocol.Errorf(protocol.CodeTimeout, "time ran out")
		})
		require.Equal(t, errAway, err)
	})
}

func TestDoWaitsLongerEachTimeUpToALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var waits []time.Duration
		last := time.Now()
		err := retry.Do(ctx, retry.Always, func(context.Context) error {
			waits, last = append(waits, time.Since(last)), time.Now()
			return errWrong
		})
		require.Equal(t, errWrong, err)
		require.Less(t, waits[1], 100*time.Millisecond)
		for _, wait := range waits[8:] {
			require.GreaterOrEqual(t, wait, time.Second)
			require.LessOrEqual(t, wait, 3*time.Second)
		}
	})
}
