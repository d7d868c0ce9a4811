package gateway

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/agents"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/mcp"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// Gateway serves one backend to clients.
type Gateway struct {
	config Config
	hub    *hub.Hub
	shards *hub.Shards
	env    *door.Env
	agents *agents.Door
	mcp    *mcp.Door
	runs   *runs.Runs // nil where a web app keeps them

	running sync.WaitGroup // the hub, the audit trail, and what keeps the mode fresh
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
	agentTokens, err := agentMode(ctx, b, c)
	if err != nil {
		return nil, err
	}
	h, err := hub.New(ctx, b, c.LogBytes, c.Log, c.Metrics)
	if err != nil {
		return nil, err
	}
	c.Metrics.Observe(h)
	trail := audit.New(b, c.Audit, c.Log)
	g := &Gateway{config: c, hub: h, shards: hub.StartShards(), probing: make(chan struct{}, 1)}
	g.env = &door.Env{
		Store: store.New(b, h, store.Options{
			Mode: mode, Trail: trail, Limits: c.Limits, Quota: c.Quota, UndoTime: c.Agents.UndoTime,
			Log: c.Log, Metrics: c.Metrics,
		}),
		Mode:    mode,
		Tickets: access.NewTickets(mode, b, c.Log), Shards: g.shards,
		Registry: door.NewRegistry(c.Metrics), Quotas: quotas(c), Parsing: limits.NewBudget(c.ParseBytes),
		Memory:  limits.NewBudget(c.MemoryBytes),
		Metrics: c.Metrics, Log: c.Log, Limits: c.Limits,
		Heartbeat: c.Heartbeat, StreamHeartbeat: c.StreamHeartbeat, StreamPace: c.StreamPace,
		Stall: c.Stall, MessageTime: c.MessageTime,
		ListBytes: c.ListBytes, PlainSockets: c.PlainSockets,
		CompressSockets: c.Compression >= CompressSockets,
		CompressStreams: c.Compression >= CompressAll && !c.PlainSockets,
	}
	known := approvals.New(g.env.Store)
	if web, shares := b.(backends.WebApp); shares && c.Agents.Forward != nil {
		known = approvals.OfWebApp(g.env.Store, web)
	}
	g.letAgentsIn(b, known, agentTokens, trail)
	c.Metrics.ObserveHeld(g.env.Memory.Held)
	g.stopped, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.running.Go(func() { h.Run(g.stopped) })
	if agentTokens != nil {
		g.running.Go(func() { agentTokens.Run(g.stopped) })
	}
	g.running.Go(func() { trail.Run(g.stopped) })
	if g.runs != nil {
		g.running.Go(func() { g.runs.Run(g.stopped) })
	}
	if keepFresh != nil {
		g.running.Go(func() { keepFresh(g.stopped) })
	}
	return g, nil
}

// letAgentsIn makes the doors for agents. tokens is nil where no agent has one.
func (g *Gateway) letAgentsIn(
	ledger backends.Ledger, known *approvals.Approvals, tokens *access.Revocations, trail *audit.Trail,
) {
	c, requests := g.config.Agents, approvals.NewRequests(ledger)
	g.hub.OnReserved(known.Changed)
	if c.Forward == nil {
		g.runs = runs.New(g.env.Store, runs.Options{
			Approvals: known, Ledger: ledger, Trail: trail, Driver: c.Worker, TimeLimit: c.RunTime, Log: g.config.Log,
		})
	}
	g.agents = &agents.Door{
		Env: g.env, Approvals: known, Requests: requests, Runs: g.runs,
		Token: c.Token, Open: c.Open, AdminsApprove: c.AdminsApprove,
	}
	g.mcp = &mcp.Door{
		Env: g.env, Approvals: known, Requests: requests, Open: c.Open, Issuer: c.Issuer, Cap: c.Cap,
		Elicitation: c.Elicitation,
	}
	if tokens != nil {
		g.mcp.Tokens = tokens
	}
}

// agentMode knows the tokens of agents, less those that were revoked; nil where there are none.
func agentMode(ctx context.Context, b backends.Ledger, c Config) (*access.Revocations, error) {
	if c.Agents.Tokens == nil {
		return nil, nil
	}
	return access.ReadRevocations(ctx, c.Agents.Tokens, b, c.Log)
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
		door.NewTicketRates(c.TicketRate), c.TrustedProxies, c.Metrics, c.Log)
}

// Approvals keeps the apps' agents.json, or reads those that a web app keeps.
func (g *Gateway) Approvals() *approvals.Approvals { return g.agents.Approvals }

// Undo undoes a change set: see [store.Store.Undo]. It returns the undo's own change set, and how many
// documents are as they were before.
func (g *Gateway) Undo(
	ctx context.Context, p access.Principal, s protocol.Scope, changeSet string,
) (undo string, documents int, refused *protocol.Error) {
	done, refused := g.env.Store.Undo(ctx, p, s, changeSet)
	return done.ChangeSet, done.Documents, refused
}

// Shutdown refuses new connections, lets those that are open finish what they were asked, and ends.
// It cuts what has not finished when ctx ends. The backend can be closed afterwards.
func (g *Gateway) Shutdown(ctx context.Context) {
	g.env.Registry.Drain(ctx)
	g.cancel()
	g.running.Wait()
	g.mcp.Wait()
	if g.runs != nil {
		g.runs.Wait()
	}
	g.shards.Stop()
}
