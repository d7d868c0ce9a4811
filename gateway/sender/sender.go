package sender

import (
	"sync"

	"github.com/secondgate/secondgate/gateway/hub"
)

// Mode is what a write may wait for.
type Mode uint8

// The modes.
const (
	// NoWait waits for nothing.
	NoWait Mode = iota
	// WaitPeer waits for the peer to take bytes, and for nothing else.
	WaitPeer
	// Wait waits for anything, the database included.
	Wait
)

// Result is what became of a write.
type Result uint8

// The results.
const (
	// More: it is written, and there may be more to send.
	More Result = iota
	// Level: it is written, and Next had nothing more when it returned.
	Level
	// Blocked: it is not written, or not whole, because the mode does not allow to wait. The Sender
	// writes the same item again, with Wait; the connection knows what it has begun.
	Blocked
	// Last: it is written, and nothing follows.
	Last
)

// Connection is what a Sender sends for. The Sender calls one method at a time.
type Connection[T any] interface {
	// Next takes what goes out next. It returns false when nothing does, and never waits.
	Next() (item T, ok bool)
	// Write writes an item. With Wait it is never Blocked. After an error nothing more is sent.
	Write(item T, mode Mode) (Result, error)
	// Failed is called once, after a write has failed, in a goroutine that may wait.
	Failed(err error)
}

type state uint8

const (
	held state = iota
	idle
	queued
	sending
	woken
	closed
)

// Sender sends what a connection has, each time after it was woken. Its zero value is not usable:
// see New.
type Sender[T any] struct {
	conn  Connection[T]
	shard *hub.Shard

	mu    sync.Mutex
	state state
	busy  sync.WaitGroup // 1 in the states sending and woken, and while Failed runs
}

// New returns a sender that holds everything back until Start. Without a shard (nil) every write
// may wait.
func New[T any](conn Connection[T], shard *hub.Shard) *Sender[T] {
	return &Sender[T]{conn: conn, shard: shard}
}

// Shard is the one that serves the sender; nil: none does.
func (s *Sender[T]) Shard() *hub.Shard { return s.shard }

// Start begins to send. It is called once.
func (s *Sender[T]) Start() {
	s.mu.Lock()
	if s.state == held {
		s.state = idle
	}
	s.mu.Unlock()
	s.Wake()
}

// Wake says that there may be something to send. It does not block; any goroutine may call it.
func (s *Sender[T]) Wake() {
	if s.shard == nil {
		if s.begin(idle) {
			go s.sendAll()
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case idle:
		s.state = queued
		s.shard.Add(s)
	case sending:
		s.state = woken
	}
}

// Serve is for the shard, which calls it for a queued sender.
func (s *Sender[T]) Serve() {
	if s.begin(queued) {
		s.sendNow()
	}
}

// ServeNow is Wake by the shard's own goroutine: it sends at once and waits for nothing.
func (s *Sender[T]) ServeNow() {
	if s.begin(idle) {
		s.sendNow()
	}
}

// SendHere is Wake by a goroutine that may wait for the peer. It sends one item itself, which is
// nearly always all there is, and leaves the rest to others.
func (s *Sender[T]) SendHere() {
	if !s.begin(idle) {
		return
	}
	item, ok := s.conn.Next()
	if !ok {
		s.releaseOrSpawn(false)
		return
	}
	result, err := s.conn.Write(item, WaitPeer)
	if result != More || err != nil {
		s.after(item, result, err)
		return
	}
	if item, ok = s.conn.Next(); ok {
		go s.writeWaiting(item)
		return
	}
	s.releaseOrSpawn(false)
}

// Close ends the sending and waits until nobody sends. The caller has made writes fail that wait
// for the peer. It is not called from within Next or Write.
func (s *Sender[T]) Close() {
	s.close()
	s.busy.Wait()
}

// begin leads from a state to sending. Elsewhere it notes the wake and returns false.
func (s *Sender[T]) begin(from state) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case from:
		s.state = sending
		s.busy.Add(1)
		return true
	case sending:
		s.state = woken
	}
	return false
}

// sendNow sends one item in the shard's goroutine.
func (s *Sender[T]) sendNow() {
	item, ok := s.conn.Next()
	if !ok {
		s.releaseOrSpawn(false)
		return
	}
	result, err := s.conn.Write(item, NoWait)
	s.after(item, result, err)
}

// sendAll sends, in a goroutine, until nothing is left or the shard takes over.
func (s *Sender[T]) sendAll() {
	for {
		item, ok := s.conn.Next()
		if !ok {
			if s.release(false) {
				return
			}
			continue
		}
		result, err := s.conn.Write(item, Wait)
		switch {
		case err != nil:
			s.fail(err)
			return
		case result == Last:
			s.end()
			return
		case s.release(result != Level):
			return
		}
	}
}

// writeWaiting writes, in a goroutine, an item that has to wait.
func (s *Sender[T]) writeWaiting(item T) {
	result, err := s.conn.Write(item, Wait)
	s.after(item, result, err)
}

// after decides who goes on after a write.
func (s *Sender[T]) after(item T, result Result, err error) {
	switch {
	case err != nil:
		go s.fail(err)
	case result == Blocked:
		go s.writeWaiting(item)
	case result == Last:
		s.end()
	default:
		s.releaseOrSpawn(result != Level)
	}
}

func (s *Sender[T]) releaseOrSpawn(more bool) {
	if !s.release(more) {
		go s.sendAll()
	}
}

// release ends a turn: the sender is idle, or queued if there is more to send. It returns false if
// it is neither, because no shard serves it: the turn goes on.
func (s *Sender[T]) release(more bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	more = more || s.state == woken
	switch {
	case s.state == closed:
	case !more:
		s.state = idle
	case s.shard != nil:
		s.state = queued
		s.shard.AddToBacklog(s)
	default:
		s.state = sending
		return false
	}
	s.busy.Done()
	return true
}

func (s *Sender[T]) fail(err error) {
	s.close()
	s.conn.Failed(err)
	s.busy.Done()
}

func (s *Sender[T]) end() {
	s.close()
	s.busy.Done()
}

func (s *Sender[T]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = closed
}
