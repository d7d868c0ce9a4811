package door

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/gateway/metrics"
)

// Connection is what a Registry drains: a Session or a Stream. Any goroutine may call its methods.
type Connection interface {
	// GoAway asks the client to connect again elsewhere, and has the connection end once it has
	// answered everything.
	GoAway()
	// Cut ends the connection at once.
	Cut()
}

// Registry admits the connections of all doors, and drains them when the gateway stops.
type Registry struct {
	metrics *metrics.Metrics

	mu       sync.Mutex
	open     map[Connection]struct{}
	ended    sync.WaitGroup // connections
	stopping bool
}

// NewRegistry counts its connections in m.
func NewRegistry(m *metrics.Metrics) *Registry {
	return &Registry{metrics: m, open: map[Connection]struct{}{}}
}

// Stopping reports whether the gateway is stopping: no connection is admitted any more.
func (r *Registry) Stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// Admit registers a connection of a door, as metrics name it. Drain waits until the caller
// dismisses it. It returns false once the gateway is stopping.
func (r *Registry) Admit(door string, c Connection) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return false
	}
	r.open[c] = struct{}{}
	r.metrics.Connected(door, 1)
	r.ended.Add(1)
	return true
}

// Dismiss is called once for each connection that was admitted, when all that it started has ended.
func (r *Registry) Dismiss(door string, c Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	r.metrics.Connected(door, -1)
	r.ended.Done()
}

// Drain admits no connection any more, asks all to go away and waits for them. It cuts those that
// are left when ctx ends.
func (r *Registry) Drain(ctx context.Context) {
	r.mu.Lock()
	r.stopping = true
	for c := range r.open {
		c.GoAway()
	}
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { r.ended.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		r.cutAll()
		<-done
	}
}

func (r *Registry) cutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.Cut()
	}
}
