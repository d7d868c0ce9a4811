package differential_test

import (
	"maps"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// place is one collection of one scope.
type place struct {
	scope      protocol.Scope
	collection string
}

// known is what there must be, by the answers to the writes, on which all sides agreed.
type known struct {
	docs map[place]map[string]protocol.Document
	// written are the states of each document since the feeds were last read to their ends; nil:
	// gone.
	written map[protocol.Ref][]*protocol.Document
	// before is what those documents were then.
	before map[protocol.Ref]*protocol.Document
}

func newKnown() *known {
	k := &known{docs: map[place]map[string]protocol.Document{}}
	k.settled()
	return k
}

// settled begins a new time for the feeds.
func (k *known) settled() {
	k.written, k.before = map[protocol.Ref][]*protocol.Document{}, map[protocol.Ref]*protocol.Document{}
}

// take makes it what a change says.
func (k *known) take(c backends.Change) {
	if _, ok := k.before[c.Ref]; !ok {
		k.before[c.Ref] = k.get(c.Ref)
	}
	k.written[c.Ref] = append(k.written[c.Ref], c.Doc)
	k.set(c.Ref, c.Doc)
}

func (k *known) set(r protocol.Ref, d *protocol.Document) {
	p := place{r.Scope, r.Collection}
	switch {
	case d == nil:
		delete(k.docs[p], r.ID)
		if len(k.docs[p]) == 0 {
			delete(k.docs, p)
		}
	case k.docs[p] == nil:
		k.docs[p] = map[string]protocol.Document{r.ID: *d}
	default:
		k.docs[p][r.ID] = *d
	}
}

func (k *known) get(r protocol.Ref) *protocol.Document {
	if d, ok := k.docs[place{r.Scope, r.Collection}][r.ID]; ok {
		return &d
	}
	return nil
}

// list is a collection in the order of lists.
func (k *known) list(p place) []protocol.Document {
	docs := slices.Collect(maps.Values(k.docs[p]))
	slices.SortFunc(docs, func(a, b protocol.Document) int {
		if backends.Before(&a, &b) {
			return -1
		}
		return 1
	})
	return docs
}

// clone is a copy of the documents.
func (k *known) clone() *known {
	c := newKnown()
	for p, docs := range k.docs {
		c.docs[p] = maps.Clone(docs)
	}
	return c
}
