package hub

import (
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxLogBytes bounds one scope's log. A subscriber that falls off it catches up from the database.
	maxLogBytes = 4 << 20
	// changeOverhead is roughly what a change costs beside its document, in bytes.
	changeOverhead = 400
)

// scopeLog is the last batches of one scope, oldest first. Hub.mu guards it, but for what says
// otherwise.
type scopeLog struct {
	scope protocol.Scope

	// The entries. start is the snapshot that the first one builds on. first is its index; indexes
	// only grow.
	start   backends.Cursor
	entries []*entry
	first   int64
	bytes   int
	tail    atomic.Int64 // end, for readers without Hub.mu

	// The followers, grouped by their shard. left is when the last one went.
	followers int
	groups    map[*Shard]*shardGroup
	left      time.Time

	// catchingUp is held by the one catch-up of this scope; not under Hub.mu.
	catchingUp chan struct{}
	prepared   preparedCache // has its own lock
	// bookmark is the hub's cursor as second:data:bookmark, made once for all followers.
	bookmark      []byte
	bookmarkMoves int64
}

// entry is one batch as far as it concerns the scope. It is immutable once it is in a log.
type entry struct {
	changes []*Change
	reset   string // the reason why copies are void; there are no changes then
	// replaced: the database is another one, or an older state of it. Cursors of before mean nothing.
	replaced bool
	cursor   backends.Cursor
	bytes    int
}

func (e *entry) add(c *backends.Change) {
	if e.reset != "" {
		return
	}
	change := &Change{Change: *c}
	e.changes = append(e.changes, change)
	e.bytes += 2 * change.size() // the document, and its encoding
	if e.bytes > 2*backends.MaxScopeBatch {
		*e = entry{cursor: e.cursor, reset: protocol.ResetTooMuch, bytes: e.bytes}
	}
}

func newScopeLog(s protocol.Scope, start backends.Cursor) *scopeLog {
	return &scopeLog{
		scope: s, start: start, left: time.Now(),
		groups:     map[*Shard]*shardGroup{},
		catchingUp: make(chan struct{}, 1),
	}
}

// join adds a follower to the group of its shard.
func (l *scopeLog) join(s *Subscription, on *Shard) {
	if l.groups[on] == nil {
		l.groups[on] = &shardGroup{shard: on}
	}
	s.group = l.groups[on]
	s.group.add(s)
	l.followers++
}

func (l *scopeLog) leave(s *Subscription) {
	s.group.remove(s)
	l.followers--
	l.left = time.Now()
}

func (l *scopeLog) end() int64 { return l.first + int64(len(l.entries)) }

// append returns the new entry's index.
func (l *scopeLog) append(e *entry) int64 {
	if e.reset != "" {
		e.changes, e.bytes = nil, changeOverhead
	}
	l.entries = append(l.entries, e)
	l.bytes += e.bytes
	l.tail.Store(l.end())
	return l.end() - 1
}

// dropFirst drops the oldest entry and returns how many bytes that frees.
func (l *scopeLog) dropFirst() int {
	e := l.entries[0]
	l.entries[0] = nil
	l.entries = l.entries[1:]
	l.first++
	l.start = e.cursor
	l.bytes -= e.bytes
	return e.bytes
}

// bookmarkAt is second:data:bookmark for the hub's cursor after so many moves.
func (l *scopeLog) bookmarkAt(c backends.Cursor, moves int64) []byte {
	if l.bookmark == nil || l.bookmarkMoves != moves {
		l.bookmark, l.bookmarkMoves = encodeBookmark(l.scope, c), moves
	}
	return l.bookmark
}

func encodeBookmark(s protocol.Scope, c backends.Cursor) []byte {
	return protocol.AppendBookmark(nil, protocol.EncodeCursor(s, c.Append(nil)))
}
