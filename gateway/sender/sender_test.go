package sender_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/sender"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// span is the numbers from one up to, and not including, another.
type span struct{ from, to int64 }

var errGone = errors.New("the peer is gone")

// numbers is a connection whose output is the numbers from 0 on, as many as have been produced.
type numbers struct {
	t        *testing.T
	produced atomic.Int64
	taken    int64 // by Next
	sent     int64 // whole
	inside   atomic.Int32
	closed   atomic.Bool
	failed   atomic.Int32
	failAt   int64 // the write of this number fails; 0: none does
	lastAt   int64 // the item with this number is the last; 0: none is
	mu       sync.Mutex
	random   *rand.Rand
}

func (n *numbers) chance(of int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.IntN(of) == 0
}

func (n *numbers) enter() (leave func()) {
	require.EqualValues(n.t, 1, n.inside.Add(1), "two send at once")
	require.False(n.t, n.closed.Load(), "it sends after Close has returned, an error or the last item")
	return func() { n.inside.Add(-1) }
}

func (n *numbers) Next() (span, bool) {
	defer n.enter()()
	to := n.produced.Load()
	if to > n.taken && n.chance(2) { // one after the other, or all at once
		to = n.taken + 1
	}
	item := span{n.taken, to}
	n.taken = to
	n.dawdle()
	return item, item.to > item.from
}

// dawdle gives others the time to produce and to wake between a look at what there is and its use.
func (n *numbers) dawdle() {
	if n.chance(4) {
		time.Sleep(time.Millisecond)
	}
}

func (n *numbers) Write(item span, mode sender.Mode) (sender.Result, error) {
	defer n.enter()()
	require.Equal(n.t, n.sent, item.from, "an item is sent twice, out of order or not at all")
	switch {
	case n.failAt > 0 && item.to > n.failAt:
		return sender.More, errGone
	case mode != sender.Wait && n.chance(3):
		return sender.Blocked, nil
	case mode != sender.NoWait && n.chance(2):
		time.Sleep(time.Second) // the peer stalls, on the bubble's clock
	}
	n.sent = item.to
	level := n.taken == n.produced.Load() && n.chance(2)
	n.dawdle()
	switch {
	case n.lastAt > 0 && item.to > n.lastAt:
		n.closed.Store(true)
		return sender.Last, nil
	case level:
		return sender.Level, nil
	}
	return sender.More, nil
}

func (n *numbers) Failed(err error) {
	defer n.enter()()
	require.ErrorIs(n.t, err, errGone)
	n.failed.Add(1)
	n.closed.Store(true)
}

// trial has several goroutines produce numbers and wake the sender, each in its own way, at random
// times. It does so in rounds and looks after each of them: a wake that is lost shows only while no
// other follows.
func trial(t *testing.T, seed uint64, change func(n *numbers), check func(n *numbers)) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	shards := hub.StartShards()
	shard := shards.Assign()
	if seed%4 == 0 {
		shard = nil
	}
	n := &numbers{t: t, random: rand.New(rand.NewPCG(seed, 2))}
	change(n)
	s := sender.New(n, shard)
	for round := range 30 {
		var producers sync.WaitGroup
		for range 1 + random.IntN(4) {
			own := rand.New(rand.NewPCG(random.Uint64(), 3))
			producers.Go(func() { produce(n, s, shard, own, 3) })
		}
		if round == 0 {
			s.Start()
		}
		producers.Wait()
		time.Sleep(time.Hour) // every stall is over
		synctest.Wait()       // whoever still runs waits for a wake
		check(n)
	}
	s.Close()
	n.closed.Store(true)
	s.Wake()
	s.SendHere()
	synctest.Wait()
	shards.Stop()
}

func produce(n *numbers, s *sender.Sender[span], shard *hub.Shard, random *rand.Rand, times int) {
	for range times {
		time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
		n.produced.Add(int64(random.IntN(3)))
		switch random.IntN(4) {
		case 0:
			s.SendHere()
		case 1:
			if shard != nil {
				shard.Add(serveNow{s})
				break
			}
			fallthrough
		default:
			s.Wake()
		}
	}
}

// serveNow is a shard group of one.
type serveNow struct{ s *sender.Sender[span] }

func (g serveNow) Serve() { g.s.ServeNow() }

func TestNothingIsLostSentTwiceOrOutOfOrder(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			trial(t, seed, func(*numbers) {}, func(n *numbers) {
				require.Equal(t, n.produced.Load(), n.sent, "seed %d: a wake was lost", seed)
				require.Zero(t, n.failed.Load())
			})
		})
	}
}

func TestNothingFollowsAnErrorOrTheLastItem(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			fails := seed%3 == 0
			trial(t, seed, func(n *numbers) {
				if fails {
					n.failAt = 20
				} else {
					n.lastAt = 20
				}
			}, func(n *numbers) {
				if n.produced.Load() <= 20 {
					return
				}
				if fails {
					require.EqualValues(t, 1, n.failed.Load(), "seed %d", seed)
					require.LessOrEqual(t, n.sent, n.failAt)
					return
				}
				require.Zero(t, n.failed.Load())
				require.Greater(t, n.sent, n.lastAt)
			})
		})
	}
}

// TestNobodySendsAfterClose closes in the middle: Close returns once nobody sends, and nothing is
// sent later.
func TestNobodySendsAfterClose(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 4))
			shards := hub.StartShards()
			shard := shards.Assign()
			n := &numbers{t: t, random: rand.New(rand.NewPCG(seed, 5))}
			s := sender.New(n, shard)
			s.Start()
			var producers sync.WaitGroup
			for range 3 {
				own := rand.New(rand.NewPCG(random.Uint64(), 6))
				producers.Go(func() { produce(n, s, shard, own, 100) })
			}
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
			s.Close()
			n.closed.Store(true)
			producers.Wait()
			synctest.Wait()
			require.Zero(t, n.inside.Load())
			shards.Stop()
		})
	}
}
