package conformance

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// churned is how many ids random writers share: few, so that they meet.
const churned = 12

func (s *trial) someID() string { return fmt.Sprint("d", s.rng.IntN(churned)) }

// crowd is several goroutines at work until it is told to stop.
type crowd struct {
	stop func()
	// did gets a token, unless it holds one, whenever somebody has done a piece of work.
	did chan struct{}
}

// churn writes at random into alpha, as gateway and as stranger.
func (s *trial) churn(writers int) *crowd {
	var n atomic.Int64
	return s.background(writers, func(on *trial) { on.scribble(on.rng, int(n.Add(1))) })
}

// background repeats work on several goroutines, each with dice of its own. A goroutine that fails
// ends.
func (s *trial) background(n int, work func(on *trial)) *crowd {
	var group sync.WaitGroup
	c := &crowd{did: make(chan struct{}, 1)}
	stopped := make(chan struct{})
	for range n {
		on := s.fork()
		group.Go(func() {
			defer s.Guard()
			for on.ctx.Err() == nil {
				select {
				case <-stopped:
					return
				default:
					work(on)
				}
				select {
				case c.did <- struct{}{}:
				default: // nobody has looked since the last one
				}
			}
		})
	}
	c.stop = sync.OnceFunc(func() {
		close(stopped)
		group.Wait()
	})
	s.Cleanup(c.stop)
	return c
}

// turns counts to n, each time after the crowd has done something since the last: a reader that
// takes turns does not run through before anything has happened. When a whole second brings
// nothing, the crowd has failed.
func (c *crowd) turns(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			select {
			case <-c.did:
			case <-time.After(time.Second):
			}
			if !yield(i) {
				return
			}
		}
	}
}

// fork is the same trial with dice of its own, for another goroutine.
func (s *trial) fork() *trial {
	forked := *s
	s.dice.Lock()
	defer s.dice.Unlock()
	forked.rng = rand.New(rand.NewPCG(s.rng.Uint64(), s.rng.Uint64()))
	return &forked
}

// scribble makes one random transaction.
func (s *trial) scribble(rng *rand.Rand, n int) {
	if rng.IntN(8) == 0 {
		s.h.Outside(s, s.b).Do(s, rng.IntN(4) > 0, randomSteps(rng, n)...)
		return
	}
	_, err := s.try(s.tx(alpha, randomWrites(rng, n)...))
	switch protocol.CodeOf(err) {
	case "", protocol.CodeNotFound, protocol.CodeAlreadyExists, protocol.CodeConflict:
	default:
		if s.ctx.Err() == nil {
			s.Errorf("write: %v", err)
		}
	}
}

// randomWrites are one to four writes; each names another document, so that only races refuse them.
func randomWrites(rng *rand.Rand, n int) (writes []backends.Write) {
	for _, i := range rng.Perm(churned)[:1+rng.IntN(4)] {
		id, data := fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d,"r":%d}`, n, rng.IntN(1000))
		switch rng.IntN(10) {
		case 0, 1:
			writes = append(writes, ins("notes", id, data))
		case 2, 3:
			writes = append(writes, upd("notes", id, data))
		case 4:
			writes = append(writes, del("notes", id))
		case 5:
			writes = append(writes, find("notes", fmt.Sprintf(`{"k":%d}`, rng.IntN(3)), newID(), data))
		default:
			writes = append(writes, ups("notes", id, data))
		}
	}
	return writes
}

// randomSteps are one to three steps of a stranger that cannot fail; ids of their own are moved.
func randomSteps(rng *rand.Rand, n int) (steps []Step) {
	for range 1 + rng.IntN(3) {
		r := note(fmt.Sprint("d", rng.IntN(churned)))
		data := fmt.Sprintf(`{ "outside":%d.0 }`, n)
		switch rng.IntN(5) {
		case 0:
			steps = append(steps, Step{Kind: "delete", Ref: r})
		case 1:
			steps = append(steps, Step{Kind: "update", Ref: r, Data: data})
		case 2:
			to := note("d" + newID())
			steps = append(steps, Step{Kind: "move", Ref: r, To: to}, Step{Kind: "delete", Ref: to})
		default:
			steps = append(steps, Step{Kind: "replace", Ref: r, Data: data})
		}
	}
	return steps
}
