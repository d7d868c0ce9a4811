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
	maxIndexBytes   = 48 << 20 // of one index; a collection over it is walked
	maxIndexesBytes = 64 << 20 // of all; the least recently used go
	maxIndexes      = 64
	maxBucket       = 64 // ids with one value; over it, walking the newest documents finds one sooner
	entryBytes      = 96 // what an entry takes beside its id, about
)

// place is a collection.
type place struct {
	scope      protocol.Scope
	collection string
}

// shape is what one index is for: upserts whose filters name the same fields of one collection.
type shape struct {
	place
	fields string
}

// index finds candidates for an upsert's filter without a scan: by a hash of the values, the ids of the documents
// that have, or once had, them. It may name too many, never too few: what it names is read and verified inside
// the writer's transaction. Entries are added for every document stored, whether or not its transaction lasts, and
// never removed one by one; an index that misleads too often is dropped and built again.
//
// The goroutine that builds it owns it until it is queued with a job, the writer from then on.
type index struct {
	shape  shape
	fields []string
	paths  bool
	number uint64 // of two indexes of one shape the greater is the later

	seq     int64 // complete as of this position of the log, while not live
	buckets map[uint64][]string
	many    map[uint64]struct{} // values of too many documents
	whole   bool                // too large: knows nothing

	misses int // candidates that were none

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

// shapeOf is false for filters that need no index.
func shapeOf(s protocol.Scope, collection string, f *protocol.Filter) (shape, bool) {
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
	return shape{place{s, collection}, fields.String()}, true
}

func (x *index) add(doc *protocol.Document) {
	key, ok := x.keyOf(doc.Data)
	if !ok || x.whole {
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
		x.whole, x.buckets, x.many = true, nil, nil
		x.bytes.Store(0)
	}
}

// candidates are the ids to look at; ok is false if there are too many to name.
func (x *index) candidates(f protocol.Filter) (ids []string, ok bool) {
	if x.whole {
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

// keyOf is false for a document that lacks one of the fields: no filter of the shape matches it.
func (x *index) keyOf(data []byte) (uint64, bool) {
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

// missed counts candidates in vain, and tells when the index is not worth keeping.
func (x *index) missed(n int) (worn bool) {
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
