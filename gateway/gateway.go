package gateway

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/store"
)

// Gateway serves one backend to clients.
type Gateway struct {
	config Config
	hub    *hub.Hub
	shards *hub.Shards
	env    *door.Env

	running sync.WaitGroup // the hub, and what keeps the mode fresh
	cancel  context.CancelFunc
	// stopped ends when Shutdown has: nothing that was upgraded outlives it.
	stopped context.Context
	// draining: Ready fails, everything else goes on.
	draining atomic.Bool
	probing  chan struct{} // held by the one read that asks whether the database answers
}

// New starts to follow the backend, which the caller closes after Shutdown. It fails with what
// Validate says, or when the backend cannot be read or followed.
func New(ctx context.Context, b backends.Backend, c Config) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	mode, keepFresh, err := accessMode(ctx, b, c)
	if err != nil {
		return nil, err
	}
	h, err := hub.New(ctx, b, c.LogBytes, c.Log, c.Metrics)
	if err != nil {
		return nil, err
	}
	c.Metrics.Observe(h)
	g := &Gateway{config: c, hub: h, shards: hub.StartShards(), probing: make(chan struct{}, 1)}
	g.env = &door.Env{
		Store: store.New(b, h, mode, c.Limits, c.Log, c.Metrics), Mode: mode,
		Tickets: access.NewTickets(mode, b, c.Log), Shards: g.shards,
		Registry: door.NewRegistry(c.Metrics), Quotas: quotas(c), Parsing: limits.NewBudget(c.ParseBytes),
		Memory:  limits.NewBudget(c.MemoryBytes),
		Metrics: c.Metrics, Log: c.Log, Limits: c.Limits,
		Heartbeat: c.Heartbeat, StreamHeartbeat: c.StreamHeartbeat, StreamPace: c.StreamPace,
		Stall: c.Stall, MessageTime: c.MessageTime,
		ListBytes: c.ListBytes, PlainSockets: c.PlainSockets,
	}
	c.Metrics.ObserveHeld(g.env.Memory.Held)
	g.stopped, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.running.Go(func() { h.Run(g.stopped) })
	if keepFresh != nil {
		g.running.Go(func() { keepFresh(g.stopped) })
	}
	return g, nil
}

// accessMode is the mode of a configuration. Where tokens can be revoked it has to be kept fresh.
func accessMode(
	ctx context.Context, b backends.Ledger, c Config,
) (mode access.Mode, keepFresh func(context.Context), err error) {
	tokens, ok := c.Access.(*access.JWT)
	if !ok {
		return c.Access, nil, nil
	}
	r, err := access.ReadRevocations(ctx, tokens, b, c.Log)
	if err != nil {
		return nil, nil, err
	}
	return r, r.Run, nil
}

func quotas(c Config) *door.Quotas {
	return door.NewQuotas(limits.NewConnections(c.Connections), limits.NewRates(c.RequestRate, c.ByteRate),
		c.TrustedProxies, c.Metrics, c.Log)
}

// Shutdown refuses new connections, lets those that are open finish what they were asked, and ends.
// It cuts what has not finished when ctx ends. The backend can be closed afterwards.
func (g *Gateway) Shutdown(ctx context.Context) {
	g.env.Registry.Drain(ctx)
	g.cancel()
	g.running.Wait()
	g.shards.Stop()
}
