package hub

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// TestCopiesAreExactAtBoundaries: of a database whose feed is behind it by chance, followers that fall
// off the log and catch up, that resume from cursors ahead of the hub, and that take much or little at
// a time, have the state of the cursor at each boundary.
func TestCopiesAreExactAtBoundaries(t *testing.T) {
	caughtUp := 0
	for seed := range uint64(20) {
		caughtUp += exact(t, rand.New(rand.NewPCG(seed, 7)))
	}
	require.Greater(t, caughtUp, 100)
}

// exactWorld is a database of a few documents, and a hub that follows it.
type exactWorld struct {
	scope  protocol.Scope
	hub    *Hub
	states []map[string]int // by commit: what each document holds, 0: it is gone
}

func exact(t *testing.T, random *rand.Rand) (caughtUp int) {
	w := &exactWorld{
		scope: protocol.Scope{Workspace: "w", App: "a"}, states: []map[string]int{{}},
		hub: &Hub{
			cursor: count(0), budget: 64 << 20, log: slog.Default(),
			scopes: map[protocol.Scope]*scopeLog{}, waiting: map[*Subscription]struct{}{},
		},
	}
	w.hub.recent.list = []timedCursor{{cursor: w.hub.cursor}}
	var copies []*exactCopy
	for range 2000 {
		switch n := random.IntN(10); {
		case n < 3:
			w.commit(random)
		case n < 5:
			w.feed(random)
		case n == 5 && len(copies) < 8:
			copies = append(copies, w.follow(random))
		case n == 6: // the log's budget is used up
			if log := w.hub.scopes[w.scope]; log != nil && len(log.entries) > 0 {
				w.hub.mu.Lock()
				w.hub.dropFirst(log)
				w.hub.mu.Unlock()
			}
		case len(copies) > 0:
			one := copies[random.IntN(len(copies))]
			if from, behind := one.sub.Behind(); behind {
				w.catchUp(one, from, random)
				caughtUp++
			}
			one.take(t, w, random)
		}
	}
	return caughtUp
}

func (w *exactWorld) commit(random *rand.Rand) {
	state := maps.Clone(w.states[len(w.states)-1])
	state[fmt.Sprint("d", random.IntN(4))] = random.IntN(5) * len(w.states)
	w.states = append(w.states, state)
}

// since are the changes after a commit up to another, each document's newest alone.
func (w *exactWorld) since(from, to int) (changes []backends.Change) {
	last := map[string]int{}
	for commit := from + 1; commit <= to; commit++ {
		for id, n := range w.states[commit] {
			if n != w.states[commit-1][id] {
				last[id] = commit
			}
		}
	}
	for id, commit := range last {
		c := backends.Change{
			Ref: protocol.Ref{Scope: w.scope, Collection: "c", ID: id}, Op: backends.Delete, Commit: commit,
		}
		if n := w.states[to][id]; n != 0 {
			c.Op, c.Doc = backends.Update, &protocol.Document{ID: id, Data: fmt.Appendf(nil, `{"n":%d}`, n)}
		}
		changes = append(changes, c)
	}
	return changes
}

// feed delivers some of what the hub has not heard of.
func (w *exactWorld) feed(random *rand.Rand) {
	from := int(w.hub.cursor.(count))
	if to := min(from+1+random.IntN(3), len(w.states)-1); to > from {
		w.hub.deliver(backends.Batch{Changes: w.since(from, to), Cursor: count(to)})
	}
}

// exactCopy is a client's copy. Until the stream has reached the snapshot that it began with, which may
// be ahead of the hub, sessions and streams send no bookmark.
type exactCopy struct {
	sub  *Subscription
	from count
	docs map[string]int
}

// follow begins with the state of a snapshot that was read from the database, or of some time ago.
func (w *exactWorld) follow(random *rand.Rand) *exactCopy {
	from := max(0, len(w.states)-1-random.IntN(6))
	sub := w.hub.Follow(w.scope, count(from), true, polling{}, nil)
	return &exactCopy{sub, count(from), maps.Clone(w.states[from])}
}

// catchUp reads the database while the feed goes on.
func (w *exactWorld) catchUp(one *exactCopy, from backends.Cursor, random *rand.Rand) {
	c := one.sub.BeginCatchUp()
	w.feed(random)
	to := len(w.states) - 1
	c.Found(backends.Batch{Changes: w.since(int(from.(count)), to), Cursor: count(to)})
	w.feed(random)
	one.sub.CaughtUp(c)
}

func (one *exactCopy) take(t *testing.T, w *exactWorld, random *rand.Rand) {
	if random.IntN(2) == 0 {
		if p := one.sub.TakePrepared(Frame); p != nil {
			one.read(t, p.Bytes)
			require.Equal(t, gone(w.states[p.Cursor.(count)]), gone(one.docs))
			return
		}
	}
	d := one.sub.Take(1 + random.IntN(2*changeOverhead))
	one.apply(d.Changes)
	if d.Boundary && d.Cursor.Reached(one.from) {
		require.Equal(t, gone(w.states[d.Cursor.(count)]), gone(one.docs), "at %d", d.Cursor)
	}
}

// read takes what a prepared frame has.
func (one *exactCopy) read(t *testing.T, frame []byte) {
	text := frame[map[byte]int{126: 4, 127: 10}[frame[1]]:] // RFC 6455 §5.2
	if frame[1] < 126 {
		text = frame[2:]
	}
	if text[0] != '[' {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var messages []struct {
		Type  protocol.Type
		DocID string
		Doc   struct{ N int }
	}
	require.NoError(t, json.Unmarshal(text, &messages))
	for _, m := range messages {
		if m.Type == protocol.TypeChange {
			one.docs[m.DocID] = m.Doc.N
		}
	}
}

func (one *exactCopy) apply(changes []*Change) {
	for _, c := range changes {
		n := 0
		if c.Doc != nil {
			_, _ = fmt.Sscanf(string(c.Doc.Data), `{"n":%d}`, &n)
		}
		one.docs[c.Ref.ID] = n
	}
}

// gone leaves out the documents that are gone.
func gone(docs map[string]int) map[string]int {
	docs = maps.Clone(docs)
	maps.DeleteFunc(docs, func(_ string, n int) bool { return n == 0 })
	return docs
}
