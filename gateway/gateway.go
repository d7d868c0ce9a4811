package gateway

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/backends"
)

// Gateway serves one backend to clients.
type Gateway struct {
	config  Config
	store   *Store
	hub     *Hub
	parsing *parseBudget
	replays replays
	cancel  context.CancelFunc
	tasks   sync.WaitGroup // the hub
	shards  *shards
	// stopped ends when Shutdown has: nothing that was upgraded outlives it.
	stopped context.Context
	// draining: Ready fails, everything else goes on.
	draining atomic.Bool
	probing  chan struct{} // held by the one read that asks whether the database answers

	mu       sync.Mutex
	sessions map[*Session]struct{}
	streams  map[*Stream]struct{}
	ended    sync.WaitGroup // sessions and streams
	stopping bool
}

// New starts to follow the backend, which the caller closes after Shutdown. It fails with what Validate says, or
// when the backend cannot be followed.
func New(ctx context.Context, b backends.Backend, c Config) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	hub, err := NewHub(ctx, b, c.LogBytes, c.Log)
	if err != nil {
		return nil, err
	}
	hub.metrics = c.Metrics
	c.Metrics.follow(hub)
	g := &Gateway{
		config: c, hub: hub,
		store:    &Store{backend: b, limits: c.Limits, log: c.Log, now: time.Now, poke: hub.Poke, expect: hub.Expect, told: hub.Told},
		parsing:  newParseBudget(int64(c.ParseBytes)),
		sessions: map[*Session]struct{}{}, streams: map[*Stream]struct{}{},
		replays: replays{hub: hub}, shards: startShards(), probing: make(chan struct{}, 1),
	}
	g.stopped, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.tasks.Go(func() { hub.Run(g.stopped) })
	return g, nil
}

// Handler serves the gateway's own paths. At every other one it serves what Config.Forward names, or else page (nil:
// nothing).
func (g *Gateway) Handler(page http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(g.servedHosts)
	r.Group(func(r chi.Router) {
		r.Use(g.servedOrigins)
		r.Get("/api/workspaces/{workspace}/apps/{app}/data/socket", g.serveSocket)
		g.serveREST(r)
		g.serveDescriptions(r)
	})
	r.MethodNotAllowed(g.servedOrigins(http.HandlerFunc(methodNotAllowed)).ServeHTTP)
	r.NotFound(g.elsewhere(page).ServeHTTP)
	return r
}

// elsewhere serves the paths that are not the gateway's.
func (g *Gateway) elsewhere(page http.Handler) http.Handler {
	nothing := g.servedOrigins(http.HandlerFunc(pathNotFound))
	var other http.Handler
	isNothing := isAPI
	switch {
	case g.config.Forward != nil:
		other, isNothing = g.forward(g.config.Forward), isOurs
	case page != nil:
		other = g.servedOrigins(page)
	default:
		other = nothing
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isNothing(r.URL.Path) {
			nothing.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// retryAfter is how long a client should wait before it connects again, in milliseconds: some random time, so that
// not all come back at once.
func (g *Gateway) retryAfter() int { return 100 + rand.IntN(900) }

// Shutdown refuses new sessions, lets those that are open finish what they were asked, and ends. What has not
// finished when ctx ends is cut. The backend can be closed afterwards.
func (g *Gateway) Shutdown(ctx context.Context) {
	g.mu.Lock()
	g.stopping = true
	for s := range g.sessions {
		s.goAway()
	}
	for s := range g.streams {
		s.goAway()
	}
	g.mu.Unlock()
	defer g.shards.stop()
	defer g.tasks.Wait()
	defer g.cancel()

	done := make(chan struct{})
	go func() { g.ended.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		g.cutAll()
		<-done
	}
}

func (g *Gateway) cutAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		s.cancel()
		s.conn.CloseNow()
	}
	for s := range g.streams {
		s.cut()
	}
}

func (g *Gateway) isStopping() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopping
}

// admit registers a session; false once the gateway is stopping.
func (g *Gateway) admit(s *Session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return false
	}
	g.sessions[s] = struct{}{}
	g.config.Metrics.connected(doorSocket, 1)
	g.ended.Add(1)
	return true
}

func (g *Gateway) dismiss(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s)
	g.config.Metrics.connected(doorSocket, -1)
	g.ended.Done()
}
