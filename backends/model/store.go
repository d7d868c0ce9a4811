package model

import (
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// store is the database: what several Backends over the same data share.
type store struct {
	options Options
	// epoch tells this database from others. A restored copy keeps it, as a copied file would.
	epoch uint64

	mu      sync.Mutex
	dice    dice
	changed chan struct{} // closed, and made anew, whenever a waiter should look again

	next  xid
	seq   uint64
	open  map[xid]struct{}
	locks map[any]xid

	tables tables
	// log is the history: each transaction's versions, until they are trimmed.
	log map[xid][]*version
	// snapshots has one for every moment at which something began or ended, oldest first.
	snapshots []*snapshot
	marks     map[uint64]struct{}
	mark      uint64
	floor     *snapshot
	// acked is the index of a snapshot that shows all writes that have been answered.
	acked int

	memory map[mutationKey]memory
	ledger map[ledgerKey]backends.Entry
}

// tables holds every version of every document, oldest first, by scope, collection and id.
type tables map[protocol.Scope]map[string]map[string][]*version

// version is one state of one document, as some transaction left it. It is immutable.
type version struct {
	ref     protocol.Ref
	xid     xid
	seq     uint64
	op      backends.Op
	by      backends.Actor
	gone    bool
	raw     string // as it was written, which strangers do in their own way
	created time.Time
	updated time.Time
	// doc is what readers get: nil when gone, and when the JSON rules withhold it.
	doc *protocol.Document
}

func newStore(o Options) *store {
	s := &store{
		options: o, epoch: random(), dice: newDice(o.Seed), changed: make(chan struct{}),
		next: 1, open: map[xid]struct{}{}, locks: map[any]xid{},
		tables: tables{}, log: map[xid][]*version{}, marks: map[uint64]struct{}{},
		memory: map[mutationKey]memory{}, ledger: map[ledgerKey]backends.Entry{},
	}
	s.newMark()
	s.record()
	s.floor = s.snapshots[0]
	return s
}

// random is not of the dice: two stores of one seed must still be told apart.
func random() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

func (s *store) newMark() {
	s.mark = random()
	s.marks[s.mark] = struct{}{}
}

// record notes a moment: from now on a reader may see it, and waiters look again.
func (s *store) record() {
	open := slices.Sorted(maps.Keys(s.open))
	s.snapshots = append(s.snapshots, &snapshot{next: s.next, open: open, mark: s.mark})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) newest() int { return len(s.snapshots) - 1 }

// versions are those of one document.
func (s *store) versions(r protocol.Ref) []*version { return s.tables[r.Scope][r.Collection][r.ID] }

func (s *store) add(v *version) {
	collections := s.tables[v.ref.Scope]
	if collections == nil {
		collections = map[string]map[string][]*version{}
		s.tables[v.ref.Scope] = collections
	}
	documents := collections[v.ref.Collection]
	if documents == nil {
		documents = map[string][]*version{}
		collections[v.ref.Collection] = documents
	}
	documents[v.ref.ID] = append(documents[v.ref.ID], v)
	s.log[v.xid] = append(s.log[v.xid], v)
}

// visible is the last of versions that a snapshot shows; nil if it shows none. Locks make the order of one
// document's versions that of its commits, so there are no gaps to mind.
func visible(versions []*version, at *snapshot) *version {
	for _, v := range slices.Backward(versions) {
		if at.visible(v.xid) {
			return v
		}
	}
	return nil
}

// documents are those of a collection that a snapshot shows.
func documents(collection map[string][]*version, at *snapshot) (docs []protocol.Document) {
	for _, versions := range collection {
		if v := visible(versions, at); v != nil && v.doc != nil {
			docs = append(docs, *v.doc)
		}
	}
	return docs
}
