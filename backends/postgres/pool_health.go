package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// idleTrust is how long a connection that has worked is taken to work still.
	idleTrust = time.Second
	// pingTime is how long an idle connection may take to answer a ping.
	pingTime = 2 * time.Second
)

// testIdle is called by the pool before it hands a connection out. It returns true for a connection
// that the pool must drop: the pool then pings the connection, and the ping fails at once because
// it is closed.
//
// A connection that is half open accepts requests and never answers them. One such connection is a
// sign that all idle ones are, so all of them are dropped. Otherwise each would cost a request its
// whole time.
func (b *Backend) testIdle(ctx context.Context, idle pgxpool.ShouldPingParams) bool {
	if idle.IdleDuration <= idleTrust {
		return false
	}
	ping, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if idle.Conn.Ping(ping) == nil {
		return false
	}
	if ctx.Err() == nil {
		b.pool.Reset()
	}
	return true
}
