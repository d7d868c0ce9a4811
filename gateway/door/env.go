package door

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// Env is what the doors of one gateway work in. It does not change once the gateway serves.
type Env struct {
	Store    *store.Store
	Mode     access.Mode
	Shards   *hub.Shards
	Registry *Registry
	Parsing  *limits.ParseBudget
	Metrics  *metrics.Metrics // nil counts nothing
	Log      *slog.Logger

	Limits protocol.Limits
	// Heartbeat is the time between bookmarks on a quiet socket, StreamHeartbeat that between the
	// comments and ids of a quiet event stream.
	Heartbeat, StreamHeartbeat time.Duration
	// Stall is how long a peer may take no byte.
	Stall time.Duration
	// ListBytes bounds a list's answer over REST.
	ListBytes int
	// PlainSockets leaves all writing to net/http and coder/websocket.
	PlainSockets bool
}

// Parse decodes text of a client within the budget for that. It fails with ctx's error.
func (e *Env) Parse(ctx context.Context, text []byte, decode func(text []byte)) error {
	release, err := e.Parsing.Acquire(ctx, len(text))
	if err != nil {
		return err
	}
	defer release()
	decode(text)
	return nil
}

// Refuse answers a request with an error, and counts it.
func (e *Env) Refuse(w http.ResponseWriter, refused *protocol.Error) {
	e.Metrics.Failed(refused)
	WriteError(w, refused)
}

// RetryAfter is how long a client should wait before it connects again, in milliseconds. It is
// random: clients that left together do not come back together.
func RetryAfter() int { return 100 + rand.IntN(900) }
