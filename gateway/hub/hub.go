package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// linger is how long a log outlives its last follower.
const linger = 30 * time.Second

// Source opens the feed. It is all that the hub may ask of a database.
type Source interface {
	Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error)
}

// Hub reads the one Feed of this process and keeps, for each scope that has followers, a bounded
// log of its batches. A follower is a position in that log, so a slow one costs no queue.
type Hub struct {
	source  Source
	log     *slog.Logger
	metrics *metrics.Metrics
	budget  int // bytes of all logs
	// reserved are told of changes in reserved scopes. They are set before Run.
	reserved []func(protocol.Ref)

	mu     sync.Mutex
	feed   backends.Feed
	cursor backends.Cursor // of the last batch taken from the feed
	// ahead is the newest snapshot read from the database itself that a follower has been sent
	// something of; nil for none.
	ahead  backends.Cursor
	scopes map[protocol.Scope]*scopeLog
	// order names the log of each entry, oldest first: the shared budget evicts the oldest of all.
	order []logEntry
	stats logStats
	// moves counts batches. It tells whether the cursor has moved.
	moves int64
	// losses counts the batches that lost everything.
	losses int64
	recent recentCursors
	lag    lag
	// waiting holds the subscriptions to wake when the cursor moves.
	waiting map[*Subscription]struct{}
}

// logStats is how much all logs hold.
type logStats struct{ entries, bytes int }

// logEntry is one entry of one log.
type logEntry struct {
	log   *scopeLog
	index int64
}

// New follows the source from now on. budget bounds the bytes of all logs.
func New(ctx context.Context, source Source, budget int, log *slog.Logger, m *metrics.Metrics) (*Hub, error) {
	feed, err := source.Watch(ctx, nil)
	if err != nil {
		return nil, err
	}
	h := &Hub{
		source: source, log: log, metrics: m, budget: budget, feed: feed, cursor: feed.Cursor(),
		scopes:  map[protocol.Scope]*scopeLog{},
		waiting: map[*Subscription]struct{}{},
	}
	h.recent.note(time.Now(), h.cursor, false)
	return h, nil
}

// Run reads the feed until ctx ends, then closes it. It opens a broken feed again where it broke.
func (h *Hub) Run(ctx context.Context) {
	var sweeper sync.WaitGroup
	sweeper.Go(func() { h.sweep(ctx) })
	defer sweeper.Wait()
	defer func() { _ = h.currentFeed().Close() }()
	for ctx.Err() == nil {
		batch, err := h.currentFeed().Next(ctx)
		if err != nil {
			h.reopen(ctx, err)
			continue
		}
		h.deliver(batch)
	}
}

// sweep drops idle logs now and then, until ctx ends.
func (h *Hub) sweep(ctx context.Context) {
	tick := time.NewTicker(linger / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.dropIdle(now)
		}
	}
}

// dropIdle drops the logs whose last follower left a while ago. A follower that comes back catches
// up from the database.
func (h *Hub) dropIdle(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s, log := range h.scopes {
		if log.followers == 0 && now.Sub(log.left) > linger {
			for len(log.entries) > 0 {
				h.dropFirst(log)
			}
			delete(h.scopes, s)
		}
	}
}

// Cursor is that of the last batch.
func (h *Hub) Cursor() backends.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cursor
}

// HighWater is a snapshot at least as new as anything any subscriber has been sent. A read that is
// not older shows all of it: a database that lags may have shown others' commits to one read and
// hide them from the next.
func (h *Hub) HighWater() backends.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ahead != nil && h.ahead.Reached(h.cursor) {
		return h.ahead
	}
	return h.cursor
}

// RaiseHighWater notes that a subscriber is about to be sent something of a snapshot read from the
// database.
func (h *Hub) RaiseHighWater(c backends.Cursor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	passed := h.ahead == nil || !h.ahead.Reached(h.cursor) // the hub's own cursor is newer by now
	if passed || c.Reached(h.ahead) {
		h.ahead = c
	}
}

// LogStats returns how much all logs hold.
func (h *Hub) LogStats() (entries, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats.entries, h.stats.bytes
}

// live returns the scope's log. It begins one at the hub's cursor where there is none. The caller
// holds mu.
func (h *Hub) live(s protocol.Scope) *scopeLog {
	log := h.scopes[s]
	if log == nil {
		log = newScopeLog(s, h.cursor)
		h.scopes[s] = log
	}
	return log
}
