package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/secondgate/secondgate/protocol"
)

// Ready returns why clients should not be sent here: the gateway is stopping, its feed is broken,
// or the database does not answer while ctx lasts. It returns nil otherwise.
func (g *Gateway) Ready(ctx context.Context) error {
	if g.isDraining() {
		return errors.New("the gateway is stopping")
	}
	if g.hub.Broken() {
		return errors.New("the feed of the database is broken and is being opened again")
	}
	late := errors.New("the database does not answer in time")
	select {
	case g.probing <- struct{}{}:
	case <-ctx.Done():
		return late
	}
	done := make(chan error, 1)
	go func() { // a driver may be stuck where no context reaches it; this ends when it does
		defer func() { <-g.probing }()
		done <- g.env.Store.Ping(ctx)
	}()
	select {
	case err := <-done:
		if err != nil && ctx.Err() == nil {
			g.config.Log.Warn("the database does not answer the readiness check", "error", err)
			return fmt.Errorf("the database does not answer: %s", shown(err))
		}
		if err != nil {
			return late
		}
		return nil
	case <-ctx.Done():
		return late
	}
}

// shown is what may be said of err: its sentence if it is for clients, else its code.
func shown(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return string(protocol.CodeOf(err))
}

// Drain has Ready fail from now on, and nothing else: a proxy in front of the gateway notices
// before Shutdown begins.
func (g *Gateway) Drain() { g.draining.Store(true) }

func (g *Gateway) isDraining() bool { return g.draining.Load() || g.env.Registry.Stopping() }
