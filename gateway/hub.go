package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Reasons of a reset, as clients read them.
const (
	ResetExpired   = "cursor_expired"   // the cursor cannot be resumed
	ResetTooMuch   = "too_many_changes" // listing again costs less than the changes would
	ResetLost      = "changes_lost"     // the database does not know them any more
	linger         = 30 * time.Second
	catchUpsAtOnce = 4
)

// Hub reads the one Feed of this process and keeps, for each scope that has followers, a bounded log of what came.
// A follower is a position in that log, so a slow one costs no queue.
type Hub struct {
	backend backends.Backend
	log     *slog.Logger
	metrics *Metrics
	budget  int
	slots   chan struct{} // catch-ups at once, over all scopes

	mu     sync.Mutex
	feed   backends.Feed
	cursor backends.Cursor // of the last batch that was taken from the feed
	ahead  backends.Cursor // of the newest that followers were told from the database itself, nil for none
	scopes map[protocol.Scope]*scopeLog
	// order names the log of each entry, oldest first, so that the shared budget evicts the oldest of all.
	order []logEntry
	logs  kept // what all logs hold
	// moves counts batches: it tells whether the cursor has moved.
	moves int64
	marks marks
	lag   lag
	// waiting holds the followers that want to know when the cursor moves.
	waiting map[*Subscription]struct{}
}

// kept is how much is in logs.
type kept struct{ entries, bytes int }

type logEntry struct {
	log   *scopeLog
	index int64
}

// NewHub begins to follow the backend from now on. budget bounds the bytes of all logs.
func NewHub(ctx context.Context, b backends.Backend, budget int, log *slog.Logger) (*Hub, error) {
	feed, err := b.Watch(ctx, nil)
	if err != nil {
		return nil, err
	}
	h := &Hub{
		backend: b, log: log, budget: budget, feed: feed, cursor: feed.Cursor(),
		slots:   make(chan struct{}, catchUpsAtOnce),
		scopes:  map[protocol.Scope]*scopeLog{},
		waiting: map[*Subscription]struct{}{},
	}
	h.marks.note(time.Now(), h.cursor)
	return h, nil
}

// Run reads the feed until ctx ends, then closes it. A feed that breaks is opened again where it broke.
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

func (h *Hub) sweep(ctx context.Context) {
	tick := time.NewTicker(linger / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.forgetIdle(now)
		}
	}
}

// Poke tells the feed that this process has just committed.
func (h *Hub) Poke() { h.currentFeed().Poke() }

// Cursor is that of the last batch.
func (h *Hub) Cursor() backends.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cursor
}

// Told has reached every snapshot of which a follower may know something. A read that is not older shows all that was told: a
// database that lags may have told of others' commits and not show them to the next read.
func (h *Hub) Told() backends.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ahead != nil && h.ahead.Reached(h.cursor) {
		return h.ahead
	}
	return h.cursor
}

// tell notes that followers are about to be told of a snapshot that was read from the database.
func (h *Hub) tell(c backends.Cursor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ahead == nil || !h.ahead.Reached(h.cursor) || c.Reached(h.ahead) { // one that the hub has left behind is in nobody's way
		h.ahead = c
	}
}

func (h *Hub) currentFeed() backends.Feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.feed
}

// reopen replaces a broken feed, waiting longer each time the backend is still away.
func (h *Hub) reopen(ctx context.Context, cause error) {
	if ctx.Err() != nil {
		return
	}
	h.setBroken(true)
	h.log.Warn("the feed broke; opening it again", "error", cause)
	_ = h.currentFeed().Close()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := h.watch(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		h.log.Warn("the feed cannot be opened yet", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// watch opens the feed at the last cursor; where that has expired, at now, with every copy void.
func (h *Hub) watch(ctx context.Context) error {
	feed, err := h.backend.Watch(ctx, h.Cursor())
	lost := errors.Is(err, backends.ErrCursor)
	if lost {
		feed, err = h.backend.Watch(ctx, nil)
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.feed = feed
	h.mu.Unlock()
	h.setBroken(false)
	if lost {
		h.deliver(backends.Batch{LostAll: true, Cursor: feed.Cursor()})
	}
	return nil
}

// deliver appends a batch to the logs of the scopes it touches and wakes whoever waits for it.
func (h *Hub) deliver(batch backends.Batch) {
	h.mu.Lock()
	h.cursor = batch.Cursor
	if batch.LostAll {
		h.ahead = nil // it may be another database's
	}
	h.marks.note(time.Now(), h.cursor)
	h.moves++
	h.arrived(batch.LostAll)
	h.metrics.batch(len(batch.Changes))
	var waited []*Subscription
	for s := range h.waiting {
		waited = append(waited, s)
	}
	clear(h.waiting)
	var called []*crew
	for scope, e := range h.entries(batch) {
		log := h.scopes[scope]
		h.append(log, e)
		for _, c := range log.crews {
			called = append(called, c)
		}
	}
	h.mu.Unlock()
	for _, s := range waited { // perhaps to be called as well, which does no harm
		s.follower.wake()
	}
	for _, c := range called {
		c.call()
	}
}

// entries sorts a batch by scope, leaving out scopes that nobody follows.
func (h *Hub) entries(batch backends.Batch) map[protocol.Scope]*entry {
	entries := map[protocol.Scope]*entry{}
	reset := func(s protocol.Scope) {
		if h.scopes[s] != nil {
			entries[s] = &entry{cursor: batch.Cursor, reset: ResetLost}
		}
	}
	for i := range batch.Changes {
		c := &batch.Changes[i]
		if h.scopes[c.Ref.Scope] == nil {
			continue
		}
		e := entries[c.Ref.Scope]
		if e == nil {
			e = &entry{cursor: batch.Cursor}
			entries[c.Ref.Scope] = e
		}
		e.add(c)
	}
	for _, s := range batch.Lost {
		reset(s)
	}
	if batch.LostAll {
		for s := range h.scopes {
			reset(s)
		}
	}
	return entries
}

func (h *Hub) append(log *scopeLog, e *entry) {
	h.order = append(h.order, logEntry{log, log.append(e)})
	h.logs.bytes += e.bytes
	h.logs.entries++
	for log.bytes > maxLogBytes {
		h.dropFirst(log)
	}
	for h.logs.bytes > h.budget && len(h.order) > 0 {
		oldest := h.order[0]
		h.order = h.order[1:]
		if oldest.index == oldest.log.first { // else it went with its log's own bound
			h.dropFirst(oldest.log)
		}
	}
	if len(h.order) > 2*h.logs.entries+64 {
		h.order = slices.DeleteFunc(h.order, func(e logEntry) bool { return e.index < e.log.first })
	}
}

func (h *Hub) dropFirst(log *scopeLog) {
	h.logs.bytes -= log.dropFirst()
	h.logs.entries--
}

// logSize is how much all logs hold.
func (h *Hub) logSize() kept {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs
}

// live returns the scope's log, beginning one at the hub's cursor if nobody has followed the scope of late.
func (h *Hub) live(s protocol.Scope) *scopeLog {
	log := h.scopes[s]
	if log == nil {
		log = newScopeLog(s, h.cursor)
		h.scopes[s] = log
	}
	return log
}

// forgetIdle drops the logs whose last follower left a while ago: whoever comes back catches up from the database.
func (h *Hub) forgetIdle(now time.Time) {
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
