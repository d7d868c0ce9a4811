package postgres

import (
	"context"
	"time"
)

// Unguarded has the guard look no more.
func (b *Backend) Unguarded() { b.unguarded.Store(true) }

// Clean is the maintenance of a given time.
func (b *Backend) Clean(ctx context.Context, now time.Time) error { return b.clean(ctx, now) }
