package driverkit

import (
	"context"
	"log/slog"
	"time"
)

// MaintenanceInterval is the time from one maintenance of a driver to the next. Retention knows the
// age of a change to this precision.
const MaintenanceInterval = time.Minute

// RunMaintenance calls clean at every interval until ctx ends. Every gateway of a database does so:
// clean must be harmless when another gateway has just done the same. A failure is logged, and
// clean is called again at the next interval.
func RunMaintenance(
	ctx context.Context, log *slog.Logger, clean func(ctx context.Context, now time.Time) error,
) {
	ticker := time.NewTicker(MaintenanceInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			if err := clean(ctx, now); err != nil && ctx.Err() == nil {
				log.Warn("maintenance failed; it is tried again", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
