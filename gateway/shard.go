package gateway

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// member is a Session or Stream whose connection can be written to without waiting.
type member interface {
	// serve sends what there is, and waits for nothing. It belongs to the shard for that time.
	serve()
}

// shard serves members in one goroutine, one after the other: a thousand followers of a change cost no thousand goroutines,
// and while it makes its round, what comes on is joined. Its queues are bounded by the number of members, each of which is in
// one of them once.
type shard struct {
	mu     sync.Mutex
	cond   *sync.Cond
	queue  []member
	behind []member // they have much to be sent, a message of which is all they get before the others' turn
	closed bool
}

// behindAtOnce is how many that are behind are served between two rounds of the others.
const behindAtOnce = 16

// shards are one for each core.
type shards struct {
	all     []*shard
	next    atomic.Uint32
	running sync.WaitGroup
}

func startShards() *shards {
	s := &shards{all: make([]*shard, runtime.GOMAXPROCS(0))}
	for i := range s.all {
		one := &shard{}
		one.cond = sync.NewCond(&one.mu)
		s.all[i] = one
		s.running.Go(one.run)
	}
	return s
}

// assign tells a new member its shard.
func (s *shards) assign() *shard { return s.all[int(s.next.Add(1))%len(s.all)] }

// stop ends them, when no member is left.
func (s *shards) stop() {
	for _, one := range s.all {
		one.mu.Lock()
		one.closed = true
		one.cond.Signal()
		one.mu.Unlock()
	}
	s.running.Wait()
}

// add has m served, soon.
func (s *shard) add(m member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	s.wake()
}

// addBehind has m served after those who are not behind.
func (s *shard) addBehind(m member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = append(s.behind, m)
	s.wake()
}

// wake tells the shard of the first that waits. The caller holds mu.
func (s *shard) wake() {
	if len(s.queue)+len(s.behind) == 1 {
		s.cond.Signal()
	}
}

func (s *shard) run() {
	var round []member
	for {
		if round = s.take(round); len(round) == 0 {
			return
		}
		for _, m := range round {
			m.serve()
		}
	}
}

// take is everybody who waits, but of those who are behind a few; nobody at the end. The last round's memory is used again.
func (s *shard) take(last []member) []member {
	clear(last)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue)+len(s.behind) == 0 && !s.closed {
		s.cond.Wait()
	}
	round := s.queue
	s.queue = last[:0]
	n := min(len(s.behind), behindAtOnce)
	round = append(round, s.behind[:n]...)
	clear(s.behind[:n]) // they may end long before the others have caught up
	if s.behind = s.behind[n:]; len(s.behind) == 0 {
		s.behind = nil
	}
	return round
}
