package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/secondgate/secondgate/protocol"
)

// Ready returns why clients should not be sent here: the gateway is stopping, its feed is broken,
// or the database does not answer, or takes no writes, while ctx lasts. It returns nil otherwise.
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
		done <- g.probe(ctx)
	}()
	select {
	case err := <-done:
		if err != nil && ctx.Err() != nil {
			return late
		}
		return err
	case <-ctx.Done():
		return late
	}
}

// probe reads and writes. Its error is a sentence that anybody may see.
func (g *Gateway) probe(ctx context.Context) error {
	if err := g.env.Store.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %s", shown(err))
	}
	if err := g.env.Store.ProbeWrite(ctx); err != nil {
		return fmt.Errorf("the database does not take writes: %s", shown(err))
	}
	return nil
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
