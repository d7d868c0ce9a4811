package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// idleTrust is how long a connection that worked is taken to work still.
	idleTrust = time.Second
	// pongTime is how long an idle connection may take to show that it lives.
	pongTime = 2 * time.Second
)

// tryIdle is asked of each connection before it is used. One that is half open takes what it is sent and never answers;
// then all that have been idle are given up, or each of them would cost a request its whole time. It is true for a
// connection that the pool shall drop: it pings those, and a ping over a closed one fails at once.
func (b *Backend) tryIdle(ctx context.Context, idle pgxpool.ShouldPingParams) bool {
	if idle.IdleDuration <= idleTrust {
		return false
	}
	pong, cancel := context.WithTimeout(ctx, pongTime)
	defer cancel()
	if idle.Conn.Ping(pong) == nil {
		return false
	}
	if ctx.Err() == nil {
		b.pool.Reset()
	}
	return true
}
