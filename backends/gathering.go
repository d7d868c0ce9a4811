package backends

import "github.com/secondgate/secondgate/protocol"

// Weight is what a change counts against the bounds of a batch. Deletes weigh too: a million of them are no
// small batch.
func Weight(c *Change) int {
	n := len(c.Ref.ID) + len(c.Ref.Collection)
	if c.Doc != nil {
		n += len(c.Doc.Data)
	}
	return n
}

// Gathering is a batch under construction that never holds more than its bounds.
type Gathering struct {
	maxScope, max int
	changes       []Change
	at            map[protocol.Ref]int   // in changes
	scopes        map[protocol.Scope]int // bytes, or lost
	total         int
}

const lost = -1

// NewGathering bounds one scope and all of them, in bytes.
func NewGathering(maxScope, max int) *Gathering {
	return &Gathering{maxScope: maxScope, max: max, at: map[protocol.Ref]int{}, scopes: map[protocol.Scope]int{}}
}

// Add takes a document's change, in place of an earlier one. It is false if the change's scope is lost.
func (g *Gathering) Add(c Change) bool {
	s := c.Ref.Scope
	if g.scopes[s] == lost {
		return false
	}
	i, again := g.at[c.Ref]
	n := Weight(&c)
	if again {
		n -= Weight(&g.changes[i])
		if c.Op != Delete && g.changes[i].Op != Delete {
			c.Op = g.changes[i].Op // as of the first: a document that was there before is updated
		}
	}
	if g.scopes[s]+n > g.maxScope || g.total+n > g.max {
		g.lose(s)
		return false
	}
	g.scopes[s] += n
	g.total += n
	if again {
		g.changes[i] = c
	} else {
		g.at[c.Ref] = len(g.changes)
		g.changes = append(g.changes, c)
	}
	return true
}

func (g *Gathering) lose(s protocol.Scope) {
	g.total -= g.scopes[s]
	g.scopes[s] = lost
	kept := g.changes[:0]
	clear(g.at)
	for _, c := range g.changes {
		if c.Ref.Scope != s {
			g.at[c.Ref] = len(kept)
			kept = append(kept, c)
		}
	}
	clear(g.changes[len(kept):])
	g.changes = kept
}

// Batch is what has been gathered, up to a snapshot.
func (g *Gathering) Batch(at Cursor) Batch {
	b := Batch{Changes: g.changes, Cursor: at}
	for s, n := range g.scopes {
		if n == lost {
			b.Lost = append(b.Lost, s)
		}
	}
	return b
}
