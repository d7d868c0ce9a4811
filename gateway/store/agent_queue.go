package store

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/gateway/access"
)

const (
	// writesOfAgent bounds the writes of one agent that the backend has at once, writesOfAgents those of all
	// agents. The rest waits in its requests, which the doors bound: a person's write, which does not wait
	// here, finds few before it in the backend's queue, however much agents write.
	writesOfAgent, writesOfAgents = 4, 16
)

// agentQueue admits writes of agents. An agent has at most writesOfAgent in the queue of all, so none waits
// behind another's burst.
type agentQueue struct {
	all chan struct{} // held by each write under way

	mu  sync.Mutex
	own map[string]*agentTurns // by principal, of those that write or wait
}

// agentTurns are one agent's.
type agentTurns struct {
	turns chan struct{}
	users int // guarded by agentQueue.mu
}

func newAgentQueue() *agentQueue {
	return &agentQueue{all: make(chan struct{}, writesOfAgents), own: map[string]*agentTurns{}}
}

// enter waits for a turn; leave gives it back. Whoever is no agent need not wait. It fails with ctx's error.
func (q *agentQueue) enter(ctx context.Context, p access.Principal) (leave func(), err error) {
	if p.Agent == nil {
		return func() {}, nil
	}
	own := q.join(p.ID)
	if err := hold(ctx, own.turns); err != nil {
		q.quit(p.ID, own)
		return nil, err
	}
	if err := hold(ctx, q.all); err != nil {
		<-own.turns
		q.quit(p.ID, own)
		return nil, err
	}
	return func() {
		<-q.all
		<-own.turns
		q.quit(p.ID, own)
	}, nil
}

func hold(ctx context.Context, turns chan struct{}) error {
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *agentQueue) join(id string) *agentTurns {
	q.mu.Lock()
	defer q.mu.Unlock()
	own := q.own[id]
	if own == nil {
		own = &agentTurns{turns: make(chan struct{}, writesOfAgent)}
		q.own[id] = own
	}
	own.users++
	return own
}

func (q *agentQueue) quit(id string, own *agentTurns) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(q.own, id)
	}
}
