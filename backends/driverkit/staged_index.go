package driverkit

import (
	"hash/maphash"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// stagedIndex finds staged documents by their members. Without it, each upsert by filter would read
// all staged documents, and a batch would take time by the square of its size. It never forgets a
// member that a document had: what it finds must be verified.
type stagedIndex struct {
	seed maphash.Seed
	refs map[memberKey]map[protocol.Ref]struct{}
}

// memberKey is a member of the documents of a collection.
type memberKey struct {
	collection protocol.Ref // without an id
	name       string       // as JSON; "": the key of all documents
	value      uint64       // its hash; 0: any value
}

func newStagedIndex(docs map[protocol.Ref]*StagedDoc) *stagedIndex {
	x := &stagedIndex{maphash.MakeSeed(), map[memberKey]map[protocol.Ref]struct{}{}}
	for r, d := range docs {
		x.add(r, d.Doc)
	}
	return x
}

// add adds a document as it is now.
func (x *stagedIndex) add(r protocol.Ref, doc *protocol.Document) {
	if x == nil || doc == nil {
		return
	}
	key := memberKey{collection: protocol.Ref{Scope: r.Scope, Collection: r.Collection}}
	x.put(key, r)
	for quoted, value := range protocol.Members(doc.Data) {
		key.name, key.value = string(quoted), 0
		x.put(key, r)
		key.value = x.hash(value)
		x.put(key, r)
	}
}

func (x *stagedIndex) put(key memberKey, r protocol.Ref) {
	if x.refs[key] == nil {
		x.refs[key] = map[protocol.Ref]struct{}{}
	}
	x.refs[key][r] = struct{}{}
}

func (x *stagedIndex) hash(value []byte) uint64 { return max(1, maphash.Bytes(x.seed, value)) }

// candidates are the documents of the rarest member that a filter names.
func (x *stagedIndex) candidates(tx *backends.Tx, w *backends.Write) map[protocol.Ref]struct{} {
	all := memberKey{collection: protocol.Ref{Scope: tx.Scope, Collection: w.Collection}}
	best := x.refs[all]
	for _, c := range w.Filter.Conditions {
		key := all
		name, _, nested := strings.Cut(c.Field, ".")
		if nested = nested && w.Filter.Paths; !nested {
			name = c.Field
			key.value = x.hash(c.Value)
		}
		key.name = string(protocol.AppendString(nil, name))
		if refs := x.refs[key]; len(refs) < len(best) {
			best = refs
		}
	}
	return best
}
