package gateway

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// parseBudget bounds the bytes of strangers being parsed at once: parsing may allocate 64 times its input.
type parseBudget struct {
	size int64
	sem  *semaphore.Weighted
}

func newParseBudget(size int64) *parseBudget {
	return &parseBudget{size, semaphore.NewWeighted(size)}
}

// acquire waits for room for n bytes; text over the whole budget takes all of it.
func (b *parseBudget) acquire(ctx context.Context, n int) (release func(), err error) {
	weight := min(int64(n), b.size)
	if err := b.sem.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { b.sem.Release(weight) }, nil
}
