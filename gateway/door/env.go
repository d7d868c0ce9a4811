package door

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
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
	Tickets  *access.Tickets
	Shards   *hub.Shards
	Registry *Registry
	Quotas   *Quotas
	// Parsing bounds the text being parsed at once: parsing may allocate 64 times its input. Memory
	// bounds what is held for clients: texts that have not arrived whole or wait to be carried out,
	// reads under way, answers that are not sent, names that are followed.
	Parsing, Memory *limits.Budget
	Metrics         *metrics.Metrics // nil counts nothing
	Log             *slog.Logger

	Limits protocol.Limits
	// Heartbeat is the time between bookmarks on a quiet socket, StreamHeartbeat that between the
	// comments and ids of a quiet event stream.
	Heartbeat, StreamHeartbeat time.Duration
	// StreamPace is the time that a document of the past takes on an event stream. It is sent as insert
	// and as update, and today's bridge takes 24 changes in 16 ms from a queue without an end: whatever
	// comes faster has live changes wait behind it in the page.
	StreamPace time.Duration
	// Stall is how long a peer may take no byte.
	Stall time.Duration
	// MessageTime is how long a long message may take to arrive on a socket, once it has begun.
	MessageTime time.Duration
	// ListBytes bounds a list's answer over REST.
	ListBytes int
	// PlainSockets leaves all writing to net/http and coder/websocket.
	PlainSockets bool
	// CompressSockets and CompressStreams have what goes to many compressed, for those who offer it.
	CompressSockets, CompressStreams bool
}

// Parse decodes text of a client within the budget for that, or refuses it with rate_limited.
func (e *Env) Parse(ctx context.Context, text []byte, decode func(text []byte)) *protocol.Error {
	room, refused := Room(ctx, e.Parsing, len(text))
	if refused != nil {
		return refused
	}
	defer e.Parsing.Release(room)
	decode(text)
	return nil
}

// Room acquires room in a budget within the time of a request, or refuses with rate_limited.
func Room(ctx context.Context, b *limits.Budget, n int) (room int, refused *protocol.Error) {
	if room, ok := b.TryAcquire(n); ok { // a context with a deadline costs a timer
		return room, nil
	}
	ctx, cancel := context.WithTimeout(ctx, store.RequestTime)
	defer cancel()
	room, err := b.Acquire(ctx, n)
	if err != nil {
		return 0, protocol.Errorf(protocol.CodeRateLimited,
			"the gateway holds as much for its clients as it may: try again in a moment")
	}
	return room, nil
}

// ReadText reads a client's text in the room that Memory has for it. long is called once if the text
// needs any. The caller releases room, after an error too. A refusal is a *protocol.Error.
func (e *Env) ReadText(ctx context.Context, r io.Reader, long func()) (text []byte, room int, err error) {
	long = sync.OnceFunc(long)
	return limits.Read(r, func(n int) (int, error) {
		long()
		room, refused := Room(ctx, e.Memory, n)
		if refused != nil {
			return 0, refused
		}
		return room, nil
	})
}

// Client is what the audit trail keeps of a request's other end.
func (e *Env) Client(r *http.Request) audit.Client {
	address, _ := e.Quotas.Proxies.ClientOf(r)
	if !address.IsValid() {
		return audit.NewClient("", r.UserAgent())
	}
	return audit.NewClient(address.String(), r.UserAgent())
}

// Refuse answers a request with an error, and counts it.
func (e *Env) Refuse(w http.ResponseWriter, refused *protocol.Error) {
	e.Metrics.Failed(refused)
	WriteError(w, refused)
}

// RetryAfter is how long a client should wait before it connects again, in milliseconds. It is
// random: clients that left together do not come back together.
func RetryAfter() int { return 100 + rand.IntN(900) }
