package ws

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/gateway/sender"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxUnsent is how many bytes of answers may wait to be sent before the session executes no more
	// requests.
	maxUnsent = 256 << 10
	// maxQueued is how many bytes of requests may wait before the session reads no more.
	maxQueued = 1 << 20
	// pageBytes is where the socket cuts lists: a page is a whole answer in memory.
	pageBytes = 512 << 10
)

// Session is one WebSocket.
type Session struct {
	env    *door.Env
	conn   *socket.Conn
	id     string
	scope  protocol.Scope
	form   hub.Form // of its changes
	guard  *access.Guard
	client audit.Client
	place  *door.Place
	sub    *hub.Subscription
	sender *sender.Sender[outgoing]
	begun  bool // a frame is half written; the sender's turn owns it

	ctx    context.Context
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu   sync.Mutex
	cond sync.Cond // there is room again, or the session ends

	// Requests.
	queue      []task
	queueBytes int
	executing  int // requests that have left the queue and are not answered
	working    bool
	page       int // where the read that is executed cuts a list; only the worker uses it

	// Answers and other messages of the session's own, which go out before any change.
	out      [][]byte
	outBytes int
	held     int  // see account
	room     int  // of held, what is taken of Env.Memory
	settled  bool // all of it was given back
	largest  int  // the largest answer so far, in bytes

	// Changes. holding counts reads that run: changes wait, or an answer would be older than what was
	// sent.
	holding int
	// awaited holds the snapshots of answers. A bookmark waits until the stream has reached all of
	// them.
	awaited  []backends.Cursor
	settling []settlement
	dirty    bool // changes were sent since the last bookmark

	// Runs of agents. pending are those whose end the session waits for.
	runs    *runs.Runs // nil: a web app keeps them
	watcher *runs.Watcher
	pending map[string]bool

	// The heartbeat: a bookmark is due for its own sake, and a ping.
	heartbeat, ping bool
	timer           *time.Timer

	// The end.
	leaving bool            // the gateway is stopping
	refused *protocol.Error // the rights have ended: no change goes out any more
	cut     *time.Timer     // for a peer that does not take the close
	left    bool            // everything was answered; the close is under way: no later request is executed
	ended   bool
}

// settlement is a write that has been answered and whose changes are under way.
type settlement struct {
	requestID string
	covered   func(backends.Cursor) bool
}

// run serves the session until either side ends it. It returns when everything that the session
// started has ended.
func (s *Session) run() {
	defer s.giveBack()
	defer s.leaveRuns()
	defer s.worker.Wait()
	defer s.sender.Close()
	defer s.end()
	s.mu.Lock()
	s.timer = time.AfterFunc(s.env.Heartbeat, s.beat)
	s.mu.Unlock()
	s.sender.Start()
	for ok := true; ok; ok = s.read() {
		s.conn.Await()
	}
}

// end has everything that waits give up.
func (s *Session) end() {
	s.cancel()
	s.guard.Stop()
	s.conn.CloseNow()
	s.sub.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.env.Metrics.Queued(-len(s.queue)) // nothing takes them any more
	s.timer.Stop()
	if s.cut != nil {
		s.cut.Stop()
	}
	s.cond.Broadcast()
}

// beat asks for a bookmark, which tells the client that the connection lives and moves its cursor
// on, and for a ping, which has the client show that it lives. A peer that has answered no ping for
// so long is gone; TCP may not notice for a quarter of an hour.
func (s *Session) beat() {
	if s.conn.Silent() > s.env.Stall+s.env.Heartbeat {
		s.conn.CloseNow()
		return
	}
	s.mu.Lock()
	s.heartbeat, s.ping = true, true
	if !s.ended {
		s.timer.Reset(s.env.Heartbeat)
	}
	s.mu.Unlock()
	s.sender.Wake()
}

// GoAway announces that the gateway is about to stop, and has the session end once everything is
// answered.
func (s *Session) GoAway() {
	s.mu.Lock()
	s.leaving = true
	s.push(protocol.AppendGoAway(nil, door.RetryAfter()))
	s.mu.Unlock()
	s.sender.Wake()
}

// Cut drops the connection.
func (s *Session) Cut() {
	s.cancel()
	s.conn.Cut()
}

// push queues a message to send. The caller holds mu and wakes the sender afterwards.
func (s *Session) push(message []byte) {
	s.out = append(s.out, message)
	s.outBytes += len(message)
	s.account(len(message))
}
