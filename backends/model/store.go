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

// store is the database. Several Backends may share one.
type store struct {
	options Options
	// epoch tells this database from others. A restored copy has the same one, as a copied file
	// would.
	epoch uint64

	mu      sync.Mutex
	dice    dice
	changed chan struct{} // closed and replaced whenever waiters should check again

	next  xid
	seq   uint64
	open  map[xid]struct{}
	locks map[any]xid

	tables tables
	// log is the history: the versions of each transaction, until Forget drops them.
	log map[xid][]*version
	// snapshots has one for each time at which a transaction began or ended, oldest first.
	snapshots []*snapshot
	marks     map[uint64]struct{}
	mark      uint64
	floor     *snapshot
	// acked is the index of a snapshot that shows all answered writes.
	acked int

	mutations map[mutationKey]mutation
	ledger    map[ledgerKey]backends.Entry
}

// tables holds every version of every document, oldest first, by scope, collection and id.
type tables map[protocol.Scope]map[string]map[string][]*version

// version is the state of a document after a transaction. It is immutable.
type version struct {
	ref     protocol.Ref
	xid     xid
	seq     uint64
	op      backends.Op
	by      backends.Actor
	gone    bool
	raw     string // the data as it was written; outside writers may write any text
	created time.Time
	updated time.Time
	// doc is what readers get: nil if the document is gone or withheld.
	doc *protocol.Document
}

func newStore(o Options) *store {
	s := &store{
		options: o, epoch: random(), dice: newDice(o.Seed), changed: make(chan struct{}),
		next: 1, open: map[xid]struct{}{}, locks: map[any]xid{},
		tables: tables{}, log: map[xid][]*version{}, marks: map[uint64]struct{}{},
		mutations: map[mutationKey]mutation{}, ledger: map[ledgerKey]backends.Entry{},
	}
	s.newMark()
	s.record()
	s.floor = s.snapshots[0]
	return s
}

// random does not use the dice: two stores with one seed must differ.
func random() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

func (s *store) newMark() {
	s.mark = random()
	s.marks[s.mark] = struct{}{}
}

// record adds a snapshot of now, and makes waiters check again.
func (s *store) record() {
	open := slices.Sorted(maps.Keys(s.open))
	s.snapshots = append(s.snapshots, &snapshot{next: s.next, open: open, mark: s.mark})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) newest() int { return len(s.snapshots) - 1 }

// versions returns the versions of one document.
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

// visible is the last version that a snapshot shows, nil if it shows none. Because of the locks,
// the versions of a document are in commit order, so a snapshot shows all versions before that one.
func visible(versions []*version, at *snapshot) *version {
	for _, v := range slices.Backward(versions) {
		if at.visible(v.xid) {
			return v
		}
	}
	return nil
}

// documents returns the documents of a collection that a snapshot shows.
func documents(collection map[string][]*version, at *snapshot) (docs []protocol.Document) {
	for _, versions := range collection {
		if v := visible(versions, at); v != nil && v.doc != nil {
			docs = append(docs, *v.doc)
		}
	}
	return docs
}
