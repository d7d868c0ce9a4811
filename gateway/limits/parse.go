package limits

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// ParseBudget bounds the bytes of requests being parsed at once, over all connections: parsing may
// allocate 64 times its input.
type ParseBudget struct {
	size int64
	sem  *semaphore.Weighted
}

// NewParseBudget has room for size bytes.
func NewParseBudget(size int) *ParseBudget {
	return &ParseBudget{int64(size), semaphore.NewWeighted(int64(size))}
}

// Acquire waits for room for n bytes, or until ctx ends. Text over the whole budget takes all of
// it. The caller calls release once the text has been parsed.
func (b *ParseBudget) Acquire(ctx context.Context, n int) (release func(), err error) {
	weight := min(int64(n), b.size)
	if err := b.sem.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	return func() { b.sem.Release(weight) }, nil
}
