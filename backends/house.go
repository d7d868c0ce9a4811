package backends

import (
	"context"
	"log/slog"
	"time"
)

// HouseTick is how often a driver's house is kept, and so how exactly retention knows a change's age.
const HouseTick = time.Minute

// KeepHouse calls clean at every tick until ctx ends. Of several gateways each does: cleaning twice is no harm.
func KeepHouse(ctx context.Context, log *slog.Logger, clean func(ctx context.Context, now time.Time) error) {
	ticker := time.NewTicker(HouseTick)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			if err := clean(ctx, now); err != nil && ctx.Err() == nil {
				log.Warn("cleaning up failed; it is tried again", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
