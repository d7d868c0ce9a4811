package postgres

import (
	"context"
	"time"
)

// Clean is the maintenance of a given time.
func (b *Backend) Clean(ctx context.Context, now time.Time) error { return b.clean(ctx, now) }
