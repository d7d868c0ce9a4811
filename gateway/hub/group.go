package hub

import "sync"

// Follower is the connection of a Subscription.
type Follower interface {
	// Wake says that there may be something to take. Any goroutine may call it; it does not block.
	Wake()
	// ServeNow is Wake by the follower's shard: it sends at once, in the shard's goroutine, and waits
	// for nothing.
	ServeNow()
}

// shardGroup is the subscriptions of one log whose followers share a shard, or have none. The hub
// notifies a few groups where it would wake a thousand followers.
type shardGroup struct {
	shard *Shard // nil: each follower is woken by itself

	mu       sync.Mutex
	members  []*Subscription
	notified bool // it waits for the shard

	round []*Subscription // memory that Serve reuses
}

func (g *shardGroup) add(s *Subscription) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.place = len(g.members)
	g.members = append(g.members, s)
}

func (g *shardGroup) remove(s *Subscription) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := len(g.members) - 1
	g.members[s.place] = g.members[last]
	g.members[s.place].place = s.place
	g.members[last] = nil
	g.members = g.members[:last]
}

// notify tells all members that there may be something to take. Only the hub's goroutine calls it.
func (g *shardGroup) notify() {
	if g.shard == nil {
		g.Serve()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.notified {
		g.notified = true
		g.shard.Add(g)
	}
}

// Serve goes round the members of this moment. A member that joins later looks by itself.
func (g *shardGroup) Serve() {
	g.mu.Lock()
	g.notified = false
	g.round = append(g.round[:0], g.members...)
	g.mu.Unlock()
	for _, s := range g.round {
		switch {
		case !s.listening.Load():
		case g.shard == nil:
			s.follower.Wake()
		default:
			s.follower.ServeNow()
		}
	}
	clear(g.round)
}
