package driverkit

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Weight is what a change counts against the bounds of a batch, in bytes. A delete counts too: a
// million of them are no small batch.
func Weight(c *backends.Change) int {
	n := len(c.Ref.ID) + len(c.Ref.Collection)
	if c.Doc != nil {
		n += len(c.Doc.Data)
	}
	return n
}

// BatchBuilder builds a batch of at most one change per document, within bounds.
type BatchBuilder struct {
	maxScope, max int
	changes       []backends.Change
	index         map[protocol.Ref]int   // of changes
	weights       map[protocol.Scope]int // of the scope's changes, or lost
	total         int
}

// lost stands for the weight of a scope that has exceeded a bound.
const lost = -1

// NewBatchBuilder bounds the weight of one scope and that of all scopes.
func NewBatchBuilder(maxScope, max int) *BatchBuilder {
	return &BatchBuilder{
		maxScope: maxScope, max: max, index: map[protocol.Ref]int{}, weights: map[protocol.Scope]int{},
	}
}

// NewFeedBuilder has the bounds that the contract sets for the batches of a feed.
func NewFeedBuilder() *BatchBuilder {
	return NewBatchBuilder(backends.MaxScopeBatch, backends.MaxBatch)
}

// Add adds a document's change; it replaces an earlier change of the same document. It returns
// false if the change's scope is lost: then the batch holds no change of that scope.
func (b *BatchBuilder) Add(c backends.Change) bool {
	s := c.Ref.Scope
	if b.weights[s] == lost {
		return false
	}
	i, again := b.index[c.Ref]
	n := Weight(&c)
	if again {
		n -= Weight(&b.changes[i])
		if c.Op != backends.Delete && b.changes[i].Op != backends.Delete {
			c.Op = b.changes[i].Op // a document that existed before is updated, one that did not is inserted
		}
		c.Merged = true
	}
	if b.weights[s]+n > b.maxScope || b.total+n > b.max {
		b.lose(s)
		return false
	}
	b.weights[s] += n
	b.total += n
	if again {
		b.changes[i] = c
	} else {
		b.index[c.Ref] = len(b.changes)
		b.changes = append(b.changes, c)
	}
	return true
}

func (b *BatchBuilder) lose(s protocol.Scope) {
	b.total -= b.weights[s]
	b.weights[s] = lost
	rest := b.changes[:0]
	clear(b.index)
	for _, c := range b.changes {
		if c.Ref.Scope != s {
			b.index[c.Ref] = len(rest)
			rest = append(rest, c)
		}
	}
	clear(b.changes[len(rest):])
	b.changes = rest
}

// Batch returns the batch, which ends at a snapshot.
func (b *BatchBuilder) Batch(at backends.Cursor) backends.Batch {
	batch := backends.Batch{Changes: b.changes, Cursor: at}
	for s, n := range b.weights {
		if n == lost {
			batch.Lost = append(batch.Lost, s)
		}
	}
	return batch
}
