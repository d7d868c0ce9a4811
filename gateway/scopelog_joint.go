package gateway

import (
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// form is how followers get what a log has.
type form int

const (
	asFrame     form = iota // one WebSocket frame
	asEvents                // events, documents without _rev
	asEventsRev             // events, documents with it
	forms
)

// joint is all that a log has from one place on, in one form and with a bookmark at its end: made once for all the
// followers that are level, since the number of writes is the cost, and after that the number of copies.
type joint struct {
	from, to int64 // log entries
	cursor   backends.Cursor
	changes  int
	bytes    []byte
}

// keptJoints is how many of a form are kept: a few, since the shards' followers are not all at one place.
const keptJoints = 4

// joints are a log's newest.
type joints struct {
	mu   sync.Mutex
	kept [forms][keptJoints]*joint
	last [forms]int
}

func (j *joints) find(f form, from int64) *joint {
	for _, one := range j.kept[f] {
		if one != nil && one.from == from {
			return one
		}
	}
	return nil
}

func (j *joints) keep(f form, one *joint) {
	j.last[f] = (j.last[f] + 1) % keptJoints
	j.kept[f][j.last[f]] = one
}

// joint is the log's from a place on. It may be one that was made a moment ago, and more have come since. It is nil where
// none can be: at the end of the log, outside it, at a reset, and at a batch that is too long for one message.
func (h *Hub) joint(log *scopeLog, f form, from int64) *joint {
	j := &log.joints
	j.mu.Lock()
	found := j.find(f, from)
	j.mu.Unlock()
	if found != nil {
		return found
	}
	made, changes, level := h.stretch(log, from)
	if made == nil {
		return nil
	}
	if !level { // who lags is at a place of its own, and nobody is to wait for it
		made.bytes = f.encode(log.scope, changes, made.cursor)
		return made
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if found := j.find(f, from); found != nil {
		return found
	}
	made.bytes = f.encode(log.scope, changes, made.cursor)
	j.keep(f, made)
	return made
}

// stretch is about frameBytes of a log from a place on, not encoded yet; level if that is all.
func (h *Hub) stretch(log *scopeLog, from int64) (j *joint, changes []*delivered, level bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	j = &joint{from: from, to: from}
	if from < log.first {
		return nil, nil, false
	}
	for size := 0; j.to < log.end(); j.to++ {
		e := log.entries[j.to-log.first]
		if size += e.bytes / 2; e.reset != "" || size > frameBytes {
			break
		}
		changes, j.cursor = append(changes, e.changes...), e.cursor
	}
	if j.to == from {
		return nil, nil, false
	}
	if level = j.to == log.end(); level {
		j.cursor = h.cursor
	}
	j.changes = len(changes)
	return j, changes, level
}

func (f form) encode(s protocol.Scope, changes []*delivered, c backends.Cursor) []byte {
	messages := make([][]byte, 0, len(changes)+1)
	size := 0
	for _, d := range changes {
		message := d.as(f)
		messages, size = append(messages, message), size+len(message)+1
	}
	if f == asFrame {
		bookmark := encodeBookmark(s, c)
		buffer := make([]byte, socket.HeaderSpace, socket.HeaderSpace+size+len(bookmark)+2)
		return socket.Frame(protocol.AppendFrame(buffer, append(messages, bookmark)...))
	}
	buffer := make([]byte, 0, size+256)
	for _, m := range messages {
		buffer = append(buffer, m...)
	}
	return protocol.AppendEventID(buffer, protocol.EncodeCursor(s, c.Append(nil)))
}

// takeJoint hands out everything that comes next at once, as it is made for all; nil: use Take, for nothing comes, or what
// comes is this subscription's alone.
func (s *Subscription) takeJoint(f form) *joint {
	if !s.follow.all || s.follow.floor != nil || s.behind || s.reset != "" || len(s.pending) > 0 {
		return nil
	}
	j := s.hub.joint(s.log, f, s.next)
	if j == nil || !j.cursor.Reached(s.done) { // a catch-up has gone beyond it
		return nil
	}
	s.next, s.done = j.to, j.cursor
	s.Answered(j.cursor)
	return j
}

// level: the log has nothing more for now.
func (s *Subscription) level() bool { return s.next == s.log.tail.Load() }

// idle: nothing else waits either.
func (s *Subscription) idle() bool {
	return s.level() && !s.behind && s.reset == "" && len(s.pending) == 0
}
