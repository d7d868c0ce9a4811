package gateway

import "sync"

// follower is a Session or Stream, to its Subscription.
type follower interface {
	// wake is told, from any goroutine, that there may be something to take.
	wake()
	// rouse is told so by the shard, whose goroutine serves it at once.
	rouse()
}

// crew is those followers of a log who share a shard, or have none: the hub calls a few crews where it would wake a
// thousand followers.
type crew struct {
	shard *shard // nil: each follower is woken by itself

	mu      sync.Mutex
	members []*Subscription
	called  bool // it waits for the shard

	round []*Subscription // serve's, to be used again
}

func (c *crew) add(s *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.place = len(c.members)
	c.members = append(c.members, s)
}

func (c *crew) remove(s *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.members) - 1
	c.members[s.place] = c.members[last]
	c.members[s.place].place = s.place
	c.members[last] = nil
	c.members = c.members[:last]
}

// call tells all members that there may be something to take. Only the hub's goroutine calls.
func (c *crew) call() {
	if c.shard == nil {
		c.serve()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.called {
		c.called = true
		c.shard.add(c)
	}
}

// serve goes round the members as they are now: who comes later finds what there is by itself.
func (c *crew) serve() {
	c.mu.Lock()
	c.called = false
	c.round = append(c.round[:0], c.members...)
	c.mu.Unlock()
	for _, s := range c.round {
		switch {
		case !s.listening.Load():
		case c.shard == nil:
			s.follower.wake()
		default:
			s.follower.rouse()
		}
	}
	clear(c.round)
}
