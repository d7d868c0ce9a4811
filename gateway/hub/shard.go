package hub

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Member is served by a shard: a connection that can be written to without waiting.
type Member interface {
	// Serve sends what there is and waits for nothing.
	Serve()
}

// backlogAtOnce is how many members of the backlog a shard serves in each round.
const backlogAtOnce = 16

// Shard serves members in one goroutine, one after the other. A change costs no goroutine for each
// of its followers, and what arrives during a round is joined into one message. The queues hold a
// member once each, so the number of connections bounds them.
type Shard struct {
	mu    sync.Mutex
	cond  *sync.Cond
	queue []Member
	// backlog holds the members that have more to send than one message. A few of them are served in
	// each round, one message each, after the queue.
	backlog []Member
	closed  bool
}

// Shards are one shard for each core. A member belongs to one of them.
type Shards struct {
	all     []*Shard
	next    atomic.Uint32
	running sync.WaitGroup
}

// StartShards starts the goroutines, which Stop ends.
func StartShards() *Shards {
	s := &Shards{all: make([]*Shard, runtime.GOMAXPROCS(0))}
	for i := range s.all {
		s.all[i] = newShard()
		s.running.Go(s.all[i].run)
	}
	return s
}

func newShard() *Shard {
	s := &Shard{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

// Assign returns the shard of a new member.
func (s *Shards) Assign() *Shard { return s.all[int(s.next.Add(1))%len(s.all)] }

// Stop ends the shards once they have served what is queued, and waits for that.
func (s *Shards) Stop() {
	for _, one := range s.all {
		one.close()
	}
	s.running.Wait()
}

func (s *Shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.cond.Signal()
}

// Add queues m, which is not queued already.
func (s *Shard) Add(m Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	s.signalFirst()
}

// AddToBacklog queues m behind the members of the queue.
func (s *Shard) AddToBacklog(m Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.backlog = append(s.backlog, m)
	s.signalFirst()
}

// signalFirst wakes the shard when the first member is queued. The caller holds mu.
func (s *Shard) signalFirst() {
	if len(s.queue)+len(s.backlog) == 1 {
		s.cond.Signal()
	}
}

func (s *Shard) run() {
	var round []Member
	for {
		if round = s.take(round); len(round) == 0 {
			return
		}
		for _, m := range round {
			m.Serve()
		}
	}
}

// take blocks until members are queued. It returns all of the queue and at most backlogAtOnce of
// the backlog, and none once the shard is closed. It reuses the memory of the last round.
func (s *Shard) take(last []Member) []Member {
	clear(last)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue)+len(s.backlog) == 0 && !s.closed {
		s.cond.Wait()
	}
	round := s.queue
	s.queue = last[:0]
	n := min(len(s.backlog), backlogAtOnce)
	round = append(round, s.backlog[:n]...)
	clear(s.backlog[:n]) // these may end long before the rest of the backlog is served
	if s.backlog = s.backlog[n:]; len(s.backlog) == 0 {
		s.backlog = nil
	}
	return round
}
