package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxLogBytes bounds one scope's log; a follower that falls off it catches up from the database.
	maxLogBytes = 4 << 20
	// changeOverhead is roughly what a change costs beside its document, in bytes.
	changeOverhead = 400
)

// scopeLog is what came for one scope of late, oldest first. Hub.mu guards it.
type scopeLog struct {
	scope protocol.Scope
	// start is the snapshot that the first entry builds on.
	start   backends.Cursor
	entries []*entry
	// first is the index of entries[0]; indexes only grow.
	first     int64
	bytes     int
	followers int
	crews     map[*shard]*crew // of followers, by their shard
	left      time.Time        // when the last follower went
	// catching is held by the one catch-up of this scope.
	catching chan struct{}
	joints   joints
	tail     atomic.Int64 // end, to be looked at without Hub.mu
	// bookmark is the newest cursor as clients get it, made once for all followers.
	bookmark      []byte
	bookmarkMoves int64
}

// entry is one batch as far as it concerns the scope. It is immutable once it is in a log.
type entry struct {
	changes []*delivered
	reset   string // a reason: copies are void; there are no changes then
	cursor  backends.Cursor
	bytes   int
}

// delivered is a change on its way to followers, encoded at most once for all of them.
type delivered struct {
	backends.Change
	once    sync.Once
	message []byte
	events  [2]event // without _rev and with it
}

// JSON is the change as second:data:change.
func (d *delivered) JSON() []byte {
	d.once.Do(func() {
		d.message = protocol.AppendChange(nil, d.Ref.Collection, d.Op.String(), d.Ref.ID, d.Doc)
	})
	return d.message
}

// as is the change in one form.
func (d *delivered) as(f form) []byte {
	if f == asFrame {
		return d.JSON()
	}
	return d.Event(f == asEventsRev)
}

// size is roughly what the change takes on the wire, in bytes.
func (d *delivered) size() int {
	if d.Doc == nil {
		return changeOverhead
	}
	return changeOverhead + len(d.Doc.Data)
}

func (e *entry) add(c *backends.Change) {
	if e.reset != "" {
		return
	}
	d := &delivered{Change: *c}
	e.changes = append(e.changes, d)
	e.bytes += 2 * d.size() // the document, and its encoding
	if e.bytes > 2*backends.MaxScopeBatch {
		*e = entry{cursor: e.cursor, reset: ResetTooMuch, bytes: e.bytes}
	}
}

func newScopeLog(s protocol.Scope, start backends.Cursor) *scopeLog {
	return &scopeLog{
		scope: s, start: start, left: time.Now(),
		crews:    map[*shard]*crew{},
		catching: make(chan struct{}, 1),
	}
}

// join adds a follower to its crew.
func (l *scopeLog) join(s *Subscription, on *shard) {
	if l.crews[on] == nil {
		l.crews[on] = &crew{shard: on}
	}
	s.crew = l.crews[on]
	s.crew.add(s)
	l.followers++
}

// leave takes it away again.
func (l *scopeLog) leave(s *Subscription) {
	s.crew.remove(s)
	l.followers--
	l.left = time.Now()
}

func (l *scopeLog) end() int64 { return l.first + int64(len(l.entries)) }

func (l *scopeLog) append(e *entry) int64 {
	if e.reset != "" {
		e.changes, e.bytes = nil, changeOverhead
	}
	l.entries = append(l.entries, e)
	l.bytes += e.bytes
	l.tail.Store(l.end())
	return l.end() - 1
}

// dropFirst forgets the oldest entry and tells how many bytes that frees.
func (l *scopeLog) dropFirst() int {
	e := l.entries[0]
	l.entries[0] = nil
	l.entries = l.entries[1:]
	l.first++
	l.start = e.cursor
	l.bytes -= e.bytes
	return e.bytes
}

// bookmarkAt is second:data:bookmark for the hub's cursor after so many moves, made once for all followers.
func (l *scopeLog) bookmarkAt(c backends.Cursor, moves int64) []byte {
	if l.bookmark == nil || l.bookmarkMoves != moves {
		l.bookmark, l.bookmarkMoves = encodeBookmark(l.scope, c), moves
	}
	return l.bookmark
}

func encodeBookmark(s protocol.Scope, c backends.Cursor) []byte {
	return protocol.AppendBookmark(nil, protocol.EncodeCursor(s, c.Append(nil)))
}
