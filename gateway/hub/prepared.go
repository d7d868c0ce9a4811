package hub

import (
	"sync"

	"github.com/secondgate/secondgate/backends"
)

// FrameBytes is about how much one message of changes carries. The number of writes to connections
// is the cost, and after that the number of copies.
const FrameBytes = 32 << 10

// Prepared is all that a log has from one entry on, up to about FrameBytes, in one form and with a
// bookmark at its end. It is made once for all followers at that entry.
type Prepared struct {
	Bytes   []byte
	Text    []byte          // what Bytes hold, if they are compressed events
	Cursor  backends.Cursor // that of the bookmark
	Changes int

	from, to int64 // log entries
}

// preparedPerForm is how many prepared messages of a form are cached. The followers of each shard
// may be at another entry.
const preparedPerForm = 4

// preparedCache holds a log's newest prepared messages.
type preparedCache struct {
	mu     sync.Mutex
	cached [forms][preparedPerForm]*Prepared
	last   [forms]int
}

func (c *preparedCache) find(f Form, from int64) *Prepared {
	for _, p := range c.cached[f] {
		if p != nil && p.from == from {
			return p
		}
	}
	return nil
}

func (c *preparedCache) put(f Form, p *Prepared) {
	c.last[f] = (c.last[f] + 1) % preparedPerForm
	c.cached[f][c.last[f]] = p
}

// prepared returns the log's message from an entry on. A cached one may lack what came since it was
// made. It is nil where none can be: at the end of the log, outside it, at a reset, and at a batch
// that is too long for one message.
func (h *Hub) prepared(log *scopeLog, f Form, from int64) *Prepared {
	cache := &log.prepared
	cache.mu.Lock()
	found := cache.find(f, from)
	cache.mu.Unlock()
	if found != nil {
		return found
	}
	p, changes, level := h.collect(log, from)
	if p == nil {
		return nil
	}
	if !level { // a follower that lags is at an entry of its own, and nobody should wait for its encoding
		p.Bytes, p.Text = f.encode(log.scope, changes, p.Cursor)
		return p
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if found := cache.find(f, from); found != nil {
		return found
	}
	p.Bytes, p.Text = f.encode(log.scope, changes, p.Cursor)
	cache.put(f, p)
	return p
}

// collect gathers about FrameBytes of a log from an entry on, not encoded yet. level means that it
// is all the log has.
func (h *Hub) collect(log *scopeLog, from int64) (p *Prepared, changes []*Change, level bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p = &Prepared{from: from, to: from}
	if from < log.first {
		return nil, nil, false
	}
	for size := 0; p.to < log.end(); p.to++ {
		e := log.entries[p.to-log.first]
		if size += e.bytes / 2; e.reset != "" || size > FrameBytes {
			break
		}
		changes, p.Cursor = append(changes, e.changes...), e.cursor
	}
	if p.to == from {
		return nil, nil, false
	}
	if level = p.to == log.end(); level {
		p.Cursor = h.cursor
	}
	p.Changes = len(changes)
	return p, changes, level
}

// TakePrepared hands out everything that comes next at once, as it is made for all followers. It
// returns nil where there is nothing, and where what comes is this subscription's alone: then Take
// hands it out.
func (s *Subscription) TakePrepared(f Form) *Prepared {
	if !s.interest.all || s.interest.floor != nil || s.behind || s.reset != "" || len(s.pending) > 0 {
		return nil
	}
	p := s.hub.prepared(s.log, f, s.next)
	if p == nil || !p.Cursor.Reached(s.done) { // a catch-up has gone beyond it
		return nil
	}
	s.next, s.done = p.to, p.Cursor
	s.Answered(p.Cursor)
	return p
}

// Level reports whether the log has nothing more for now.
func (s *Subscription) Level() bool { return s.next == s.log.tail.Load() }

// Idle reports whether there is nothing at all to take.
func (s *Subscription) Idle() bool {
	return s.Level() && !s.behind && s.reset == "" && len(s.pending) == 0
}
