package driverkit

import (
	"context"
	"log/slog"
	"time"
)

// GuardInterval is how often a driver looks whether the database is as the gateway made it.
const GuardInterval = time.Second

// Guard refuses calls while the database is not as the gateway made it. Databases go on taking
// writes then, and lose the changes or the documents in silence.
type Guard struct {
	Life *Lifetime
	Log  *slog.Logger
	// Look returns why calls are refused, nil if they are not. detail is for the log. Look returns
	// the reason that stands if the database cannot be asked now: those who read it find that.
	Look func(ctx context.Context, standing error) (reason, detail error)

	standing error // why calls are refused now
}

// Run looks until the backend is closed.
func (g *Guard) Run() {
	ctx := g.Life.Context()
	tick := time.NewTicker(GuardInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.look(ctx)
		}
	}
}

// look refuses calls, or admits them again.
func (g *Guard) look(ctx context.Context) {
	reason, detail := g.Look(ctx, g.standing)
	if reason == g.standing || ctx.Err() != nil {
		return
	}
	g.standing = reason
	g.Life.Suspend(reason)
	if reason == nil {
		g.Log.Info("the database is as it should be again: requests are served")
		return
	}
	g.Log.Error("requests are refused", "reason", reason, "error", detail)
}
