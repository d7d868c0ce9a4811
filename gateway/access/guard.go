package access

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// guardTime is how long a question of a Guard may take.
	guardTime = 2 * time.Second
	// leastWait is between two questions, whatever a mode's clock says.
	leastWait = 10 * time.Millisecond
	// patience is how long a connection may go on while nobody can say whether it may, counted from when
	// somebody last could.
	patience = 8 * time.Second
)

// Guard asks a Mode, for as long as a connection lasts, whether its principal may still follow the
// connection's scope: at the credential's end, and as often as the mode wants. Any goroutine may call
// its methods.
type Guard struct {
	mode  Mode
	scope protocol.Scope
	lapse func(*protocol.Error)

	mu        sync.Mutex
	principal *Principal // does not change; another one takes its place
	allowed   time.Time  // when somebody last said so
	timer     *time.Timer
	ended     bool
}

// NewGuard is for a connection of a principal that was just allowed.
func NewGuard(mode Mode, p Principal, s protocol.Scope) *Guard {
	held := &localOwner // most of a gateway's idle connections have a guard each
	if p != localOwner {
		own := p
		held = &own
	}
	return &Guard{mode: mode, scope: s, principal: held, allowed: time.Now()}
}

// Start begins to ask. lapse is called once, from any goroutine, when the principal's rights have ended.
func (g *Guard) Start(lapse func(*protocol.Error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lapse = lapse
	g.schedule()
}

// Principal is whose connection it is.
func (g *Guard) Principal() Principal {
	g.mu.Lock()
	defer g.mu.Unlock()
	return *g.principal
}

// Identity is what a client is told of itself; nil in a mode without roles.
func (g *Guard) Identity() *protocol.Identity {
	p := g.Principal()
	if p.Roles == nil {
		return nil
	}
	return &protocol.Identity{
		UserID: p.Actor.ID, UserName: p.Name, Role: p.Roles.In(g.scope), Rights: Rights, ExpiresAt: p.Expires,
	}
}

// Renew takes another credential of the same user. One that is not good ends the connection.
func (g *Guard) Renew(ctx context.Context, token string) (Principal, *protocol.Error) {
	renewed, refused := g.mode.Renew(ctx, g.Principal(), g.scope, token)
	if refused == nil {
		refused = g.mode.Allow(ctx, renewed, g.scope, Read)
	}
	if refused != nil {
		if !refused.Code.Info().Retryable {
			g.end(refused)
		}
		return renewed, refused
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended { // too late
		return renewed, errExpired()
	}
	g.principal, g.allowed = &renewed, time.Now()
	g.schedule()
	return renewed, nil
}

// Stop ends the guard with its connection.
func (g *Guard) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	if g.timer != nil {
		g.timer.Stop()
	}
}

// schedule sets the time of the next question. The caller holds mu.
func (g *Guard) schedule() {
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.ended || g.principal.Expires.IsZero() && g.principal.Recheck == 0 {
		return
	}
	wait := g.principal.Recheck
	if until := time.Until(g.principal.Expires); !g.principal.Expires.IsZero() && (wait == 0 || until < wait) {
		wait = until
	}
	g.timer = time.AfterFunc(max(wait, leastWait), g.ask)
}

// ask asks whether the principal may go on.
func (g *Guard) ask() {
	p := g.Principal()
	ctx, cancel := context.WithTimeout(context.Background(), guardTime)
	defer cancel()
	refused := g.mode.Allow(ctx, p, g.scope, Read)
	g.mu.Lock()
	known := refused != errRevokedUnknown
	if refused == nil || known && refused.Code.Info().Retryable && time.Since(g.allowed) < patience {
		if refused == nil {
			g.allowed = time.Now()
		}
		g.schedule()
		g.mu.Unlock()
		return
	}
	renewed := p.Expires != g.principal.Expires // while the question was asked
	if renewed {
		g.schedule()
	}
	g.mu.Unlock()
	if !renewed {
		g.end(refused)
	}
}

// end has the connection end, once. Nothing is allowed any more.
func (g *Guard) end(refused *protocol.Error) {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return
	}
	g.ended = true
	expired := *g.principal
	expired.Expires = time.Unix(0, 0)
	g.principal = &expired
	if g.timer != nil {
		g.timer.Stop()
	}
	g.mu.Unlock()
	g.lapse(refused)
}
