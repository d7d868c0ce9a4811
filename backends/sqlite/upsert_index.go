package sqlite

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/secondgate/secondgate/protocol"
)

const (
	maxIndexBytes   = 48 << 20 // of one index; beyond it, its collection is walked
	maxIndexesBytes = 64 << 20 // of all; beyond it, the least recently used are dropped
	maxIndexes      = 64
	maxBucket       = 64 // ids with one value; beyond it, a walk by time finds one sooner
	entryBytes      = 96 // of an entry beside its id, about
)

// collection names a collection.
type collection struct {
	scope protocol.Scope
	name  string
}

// shape tells which upserts an index serves: those whose filters name the same fields of one
// collection.
type shape struct {
	collection
	fields string
}

// index finds the candidates for an upsert's filter without a scan. For a hash of the values it has
// the ids of the documents that have, or once had, these values. It may name too many documents,
// never too few: the writer reads and verifies the candidates inside its transaction.
//
// Every stored document gets an entry, whether or not its transaction lasts. Entries are never
// removed one by one. An index that names too many wrong candidates is dropped and built again.
//
// The goroutine that builds an index owns it until it queues a job with it. From then on the writer
// does.
type index struct {
	shape  shape
	fields []string
	paths  bool
	number uint64 // the later of two indexes of one shape has the greater one

	seq      int64 // while not live: complete up to this position of the log
	buckets  map[uint64][]string
	many     map[uint64]struct{} // hashes that have too many documents
	tooLarge bool                // it names no candidates

	misses int // wrong candidates so far

	bytes   atomic.Int64
	dropped atomic.Bool
}

func newIndex(s shape, f *protocol.Filter) *index {
	x := &index{shape: s, paths: f.Paths, buckets: map[uint64][]string{}, many: map[uint64]struct{}{}}
	for _, c := range f.Conditions {
		x.fields = append(x.fields, c.Field)
	}
	return x
}

// shapeOf is the shape of a filter. ok is false if the filter needs no index.
func shapeOf(s protocol.Scope, name string, f *protocol.Filter) (_ shape, ok bool) {
	if f == nil || f.ID != "" || len(f.Conditions) == 0 {
		return shape{}, false
	}
	var fields strings.Builder
	if f.Paths {
		fields.WriteByte('.')
	}
	for _, c := range f.Conditions {
		fields.WriteByte('/')
		fields.Write(protocol.AppendString(nil, c.Field))
	}
	return shape{collection{s, name}, fields.String()}, true
}

// add adds the entry of a document.
func (x *index) add(doc *protocol.Document) {
	key, ok := x.keyOf(doc.Data)
	if !ok || x.tooLarge {
		return
	}
	if _, many := x.many[key]; many {
		return
	}
	ids := x.buckets[key]
	if slices.Contains(ids, doc.ID) {
		return
	}
	if len(ids) >= maxBucket {
		delete(x.buckets, key)
		x.many[key] = struct{}{}
		return
	}
	x.buckets[key] = append(ids, doc.ID)
	if x.bytes.Add(int64(len(doc.ID)+entryBytes)) > maxIndexBytes {
		x.tooLarge, x.buckets, x.many = true, nil, nil
		x.bytes.Store(0)
	}
}

// candidates returns the ids of the documents to read. ok is false if there are too many.
func (x *index) candidates(f protocol.Filter) (ids []string, ok bool) {
	if x.tooLarge {
		return nil, false
	}
	h := newHash()
	for _, c := range f.Conditions {
		h.add(c.Value)
	}
	if _, many := x.many[h.sum()]; many {
		return nil, false
	}
	return x.buckets[h.sum()], true
}

// keyOf hashes the fields of a document. ok is false if it lacks one of them: no filter of the
// shape matches such a document.
func (x *index) keyOf(data []byte) (key uint64, ok bool) {
	h := newHash()
	for _, field := range x.fields {
		value, ok := protocol.Lookup(data, field, x.paths)
		if !ok {
			return 0, false
		}
		h.add(value)
	}
	return h.sum(), true
}

// missed counts wrong candidates. It returns true when the index is not worth keeping.
func (x *index) missed(n int) (drop bool) {
	x.misses += n
	return x.misses > 1000+len(x.buckets)/2
}

var seed = maphash.MakeSeed()

type hash struct{ h maphash.Hash }

func newHash() *hash {
	h := &hash{}
	h.h.SetSeed(seed)
	return h
}

func (h *hash) add(value []byte) {
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(value)))
	h.h.Write(length[:])
	h.h.Write(value)
}

func (h *hash) sum() uint64 { return h.h.Sum64() }
