package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxUnsent is how many bytes of answers may wait to be sent before the session executes no more requests.
	maxUnsent = 256 << 10
	// maxQueued is how many bytes of requests may wait before the session reads no more.
	maxQueued = 1 << 20
	// pageBytes is where the socket cuts lists: a page is a whole answer in memory.
	pageBytes = 512 << 10
	// frameBytes is about how much one frame of changes carries.
	frameBytes = 32 << 10
	// requestTime bounds one request, and so how long a connection's changes wait for a read.
	requestTime = 10 * time.Second
)

// Session is one WebSocket. Its reader queues requests; while any wait, a worker executes them in order; while
// there is something to send, a drain sends it: the shard, as long as that waits for nothing, else a goroutine. Both end
// when they have caught up.
type Session struct {
	gateway   *Gateway
	conn      *socket.Conn
	id        string
	scope     protocol.Scope
	principal Principal

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup // worker, drain, and the one that closes

	mu   sync.Mutex
	cond sync.Cond // there is room again, or the session ends

	queue      []task
	queueBytes int
	executing  int // requests that have left the queue and are not answered
	working    bool

	out      [][]byte // messages to send before any change
	outBytes int
	largest  int // the largest answer so far, in bytes
	draining bool
	again    bool   // something may have come since the drain looked last
	shard    *shard // nil: writing may wait, so that each drain has a goroutine

	sub *Subscription
	// holding counts reads that run: changes wait, so that an answer is never older than what was sent.
	holding int
	// awaited are the snapshots of answers; a bookmark waits until the stream has reached them all.
	awaited  []backends.Cursor
	settling []settlement
	dirty    bool // changes were sent since the last bookmark
	// heartbeat: a bookmark is due for its own sake; probe: so is a ping. timer sets them.
	heartbeat bool
	probe     bool
	timer     *time.Timer
	leaving   bool
	left      bool // all was answered and the close is under way: a request that comes now is not executed
	ended     bool
}

// task is a request in the queue, or what was wrong with a frame.
type task struct {
	request protocol.Request
	bytes   int
	err     *protocol.Error
}

// settlement is a write that has been answered and whose changes are under way.
type settlement struct {
	requestID string
	covered   func(backends.Cursor) bool
}

// run serves the session until either side ends it, and returns when all that it started has ended.
func (s *Session) run() {
	defer s.tasks.Wait()
	defer s.end()
	s.mu.Lock()
	s.timer = time.AfterFunc(s.gateway.config.Heartbeat, s.beat)
	s.mu.Unlock()
	s.tasks.Add(1)
	s.drainSoon() // draining is set from the beginning: nothing may be sent before welcome
	for ok := true; ok; ok = s.read() {
		s.conn.Await()
	}
}

// end lets everything that waits give up.
func (s *Session) end() {
	s.cancel()
	s.conn.CloseNow()
	s.sub.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.gateway.config.Metrics.queued(-len(s.queue)) // nobody takes them any more
	s.timer.Stop()
	s.cond.Broadcast()
}

// beat asks for a bookmark, which tells the client that the connection lives and moves its cursor on, and for a ping,
// which has the client tell the same. A peer that has sent nothing for so long that it has answered no ping is gone, and
// TCP may not notice for a quarter of an hour.
func (s *Session) beat() {
	if s.conn.Silent() > s.gateway.config.Stall+s.gateway.config.Heartbeat {
		s.conn.CloseNow()
		return
	}
	s.mu.Lock()
	s.heartbeat, s.probe = true, true
	if !s.ended {
		s.timer.Reset(s.gateway.config.Heartbeat)
	}
	s.mu.Unlock()
	s.wake()
}

// read takes one frame into the queue; false when the connection is over.
func (s *Session) read() bool {
	frame, err := s.conn.Read(context.Background()) // CloseNow ends it; a context costs a timer and a callback each time
	if err != nil {
		s.closeFor(err)
		return false
	}
	release, err := s.gateway.parsing.acquire(s.ctx, len(frame))
	if err != nil {
		return false
	}
	t := task{bytes: len(frame)}
	t.request, err = protocol.DecodeRequest(frame, s.gateway.config.Limits)
	release()
	errors.As(err, &t.err)
	return s.enqueue(t)
}

// closeFor tells the peer what was wrong with its frame, where that ends the connection.
func (s *Session) closeFor(err error) {
	switch {
	case errors.Is(err, socket.ErrNotText):
		_ = s.conn.Close(socket.NoTextMessage, "send JSON as text messages")
	case errors.Is(err, socket.ErrNotUTF8):
		_ = s.conn.Close(socket.InvalidText, "text messages must be UTF-8")
	}
}

// enqueue waits until there is room, which is how the gateway stops reading from a client that asks too fast.
func (s *Session) enqueue(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && (len(s.queue)+s.executing >= s.gateway.config.Limits.Requests || s.queueBytes > maxQueued) {
		s.cond.Wait()
	}
	switch {
	case s.ended:
		return false
	case s.left: // nobody would get its answer; who asked asks again elsewhere, and what is read on for is the peer's close
		return true
	}
	s.queue = append(s.queue, t)
	s.queueBytes += t.bytes
	s.gateway.config.Metrics.queued(1)
	if !s.working {
		s.working = true
		s.tasks.Go(s.work)
	}
	return true
}

// goAway announces that the gateway is about to stop, and has the session end once all is answered.
func (s *Session) goAway() {
	s.mu.Lock()
	s.leaving = true
	s.push(protocol.AppendGoAway(nil, s.gateway.retryAfter()))
	s.mu.Unlock()
	s.wake()
}

// push queues a message to send. The caller holds mu.
func (s *Session) push(message []byte) {
	s.out = append(s.out, message)
	s.outBytes += len(message)
}

// wake starts the drain unless it runs.
func (s *Session) wake() {
	if s.begin() {
		s.drainSoon()
	}
}

// drainSoon has a drain that has begun go on, by the shard or a goroutine.
func (s *Session) drainSoon() {
	if s.shard != nil {
		s.shard.add(s)
		return
	}
	go func() {
		defer s.tasks.Done()
		s.drain()
	}()
}

// rouse is wake in the shard's own goroutine.
func (s *Session) rouse() {
	if s.begin() {
		s.serve()
	}
}

// begin has a drain begin, which is one of the session's tasks; false if one runs and will look again.
func (s *Session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again = true; s.draining || s.ended {
		return false
	}
	s.draining = true
	s.tasks.Add(1)
	return true
}
