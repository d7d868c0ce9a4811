package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/gateway/socket"
)

// directness is what a Stream has that is written to beside net/http: no goroutine tells while there is nothing to tell.
type directness struct {
	response *socket.Response
	shard    *shard
	tasks    sync.WaitGroup // who tells

	mu      sync.Mutex
	telling bool // somebody does
	again   bool // something may have come since it looked
	ended   bool
	timer   *time.Timer
}

// serveDirect begins a stream that outlives its request. Shutdown waits for it.
func (g *Gateway) serveDirect(s *Stream, response *socket.Response, text string) {
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.out = &out{ctx: s.ctx, sink: response}
	s.response, s.shard = response, g.shards.assign()
	s.telling = true // nobody else may, until begin has
	if !g.admitStream(s) {
		defer response.Cut()
		s.leave()
		return
	}
	go func() {
		defer g.dismissStream(s)
		s.live(text)
	}()
}

// live has the stream begin, and ends it when the peer does.
func (s *Stream) live(text string) {
	s.mu.Lock()
	s.timer = time.AfterFunc(s.gateway.config.StreamHeartbeat, s.tick)
	s.mu.Unlock()
	s.tasks.Go(func() {
		if s.begin(text) {
			s.drain()
			return
		}
		s.leave()
	})
	s.response.Wait()
	s.cancel()
	s.response.Cut()
	s.mu.Lock()
	s.ended = true
	s.timer.Stop()
	s.mu.Unlock()
	s.tasks.Wait()
	if s.sub != nil {
		s.sub.Close()
	}
}

func (s *Stream) tick() {
	s.beat.Store(true)
	s.mu.Lock()
	if !s.ended {
		s.timer.Reset(s.gateway.config.StreamHeartbeat)
	}
	s.mu.Unlock()
	s.wake()
}

func (s *Stream) wakeDirect() {
	if s.start() {
		s.shard.add(s)
	}
}

// rouse is wake in the shard's own goroutine.
func (s *Stream) rouse() {
	if s.start() {
		s.serve()
	}
}

// start has the caller see to it that somebody tells; false if somebody does, and will look again.
func (s *Stream) start() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again = true; s.telling || s.ended {
		return false
	}
	s.telling = true
	s.tasks.Add(1)
	return true
}

// serve tells what takes no waiting: what all streams are told, and then it is the others' turn. A goroutine does the rest.
func (s *Stream) serve() {
	defer s.tasks.Done()
	s.mu.Lock()
	s.again = false
	s.mu.Unlock()
	if s.beat.Load() || s.isLeaving() {
		s.tasks.Go(s.drain)
		return
	}
	j := s.takeJoint()
	switch {
	case j != nil:
	case s.awaited == nil && s.reason == "" && s.sub.idle() && s.rests(): // it was told before it was roused
		return
	default:
		s.tasks.Go(s.drain)
		return
	}
	progress, err := s.response.TrySend(j.bytes)
	switch {
	case err != nil:
		s.response.Cut()
	case progress == socket.Whole && s.rests():
	case progress == socket.Whole:
		s.tasks.Add(1)
		s.shard.addBehind(s)
	default:
		s.tasks.Go(func() { s.drainBehind(j, progress) })
	}
}

// drainBehind is drain after what the shard has not sent, or not all of it.
func (s *Stream) drainBehind(j *joint, progress socket.Progress) {
	if progress == socket.Busy && s.out.write(j.bytes) != nil || s.out.flush() != nil {
		s.response.Cut()
		return
	}
	s.drain()
}

// drain tells what there is to tell, and ends when there is no more.
func (s *Stream) drain() {
	for s.pass() {
		if s.rests() {
			return
		}
	}
	if s.ctx.Err() == nil {
		s.leave()
	}
}

// rests: nobody tells from here on, unless something has come since somebody looked. What was made for all may leave a
// stream behind the log.
func (s *Stream) rests() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again || !s.sub.level() {
		s.again = false
		return false
	}
	s.telling = false
	return true
}
