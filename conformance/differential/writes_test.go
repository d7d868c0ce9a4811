package differential_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// documentBytes is the limit of most writes.
	documentBytes = 1 << 20
	// crowded is how many documents a collection has before most writes to it delete.
	crowded = 25
)

var longID = strings.Repeat("x", 128)

func digestOf(tx backends.Tx) [32]byte {
	return sha256.Sum256([]byte(sayTxs([]backends.Tx{{Scope: tx.Scope, Writes: tx.Writes}})))
}

// place is any collection of any scope.
func (a *author) place() place { return place{oneOf(a, scopes), oneOf(a, collections)} }

// ref is a document of the place, there or not.
func (a *author) ref(p place) protocol.Ref {
	return protocol.Ref{Scope: p.scope, Collection: p.collection, ID: a.id(p)}
}

// id is one that is there, mostly.
func (a *author) id(p place) string {
	if docs := a.known.list(p); len(docs) > 0 && !a.one(8) {
		return oneOf(a, docs).ID
	}
	if a.one(6) {
		return a.serverID()
	}
	return oneOf(a, clientIDs)
}

// newID is one that is free, mostly.
func (a *author) newID(p place) string {
	if a.one(2) {
		return a.serverID()
	}
	for range 10 {
		if id := oneOf(a, clientIDs); a.known.docs[p][id].ID == "" {
			return id
		}
	}
	return oneOf(a, clientIDs)
}

// serverID is a new id of the form that only servers make.
func (a *author) serverID() string { return fmt.Sprintf("%08x%016x", a.next(), a.Uint64()) }

// write is one write of a transaction that has others before it.
func (a *author) write(s protocol.Scope, before []backends.Write) backends.Write {
	p := place{s, oneOf(a, collections)}
	id := ""
	if len(before) > 0 && a.one(4) { // of a document that the transaction has written already
		last := before[len(before)-1]
		p.collection, id = last.Collection, last.ID
	}
	w := a.operation(p, id)
	w.MaxBytes = documentBytes
	if a.one(12) && a.limited(p, w, before) {
		w.MaxBytes = 20 + a.IntN(300)
	}
	if id := w.ID; id != "" && w.Op != backends.Insert && a.one(5) {
		w.IfRev = a.rev(protocol.Ref{Scope: s, Collection: p.collection, ID: id})
	}
	return w
}

// limited tells whether a write may have a limit of its own. An insert whose id is taken may not:
// of two reasons to refuse it a database may tell either, which no door lets happen.
func (a *author) limited(p place, w backends.Write, before []backends.Write) bool {
	if w.Op != backends.Insert {
		return w.Op != backends.Delete
	}
	return a.known.docs[p][w.ID].ID == "" &&
		!slices.ContainsFunc(before, func(b backends.Write) bool { return b.ID == w.ID })
}

// operation is one of a kind, of the document that is given or of any.
func (a *author) operation(p place, id string) backends.Write {
	kind := a.IntN(100)
	switch n := len(a.known.docs[p]); {
	case n > crowded:
		kind = 50 + a.IntN(50)
	case n == 0 && id == "" && !a.one(10):
		kind = 0
	}
	if id == "" && kind >= 25 {
		id = a.id(p)
	}
	switch {
	case kind < 25:
		if id == "" {
			id = a.newID(p)
		}
		return backends.Write{Op: backends.Insert, Collection: p.collection, ID: id, Data: a.data(id)}
	case kind < 45:
		return backends.Write{Op: backends.Update, Collection: p.collection, ID: id, Data: a.data(id)}
	case kind < 55:
		return backends.Write{
			Op: backends.Update, Collection: p.collection, ID: id, Data: a.paths(p, id),
			Paths: true,
		}
	case kind < 65:
		w := backends.Write{
			Op: backends.Upsert, Collection: a.collection(p.collection), ID: id,
			NewID: a.serverID(), Data: a.data(id),
		}
		if a.one(4) {
			w.Data, w.Paths = a.paths(p, id), true
		}
		return w
	case kind < 85:
		return a.byFilter(p)
	default:
		return backends.Write{Op: backends.Delete, Collection: p.collection, ID: id}
	}
}

// collection is that name, or rarely one that no collection may newly have.
func (a *author) collection(name string) string {
	if a.one(40) {
		return oneOf(a, []string{"", "line\n", strings.Repeat("x", 129), "\u0085"})
	}
	return name
}

// rev is the document's own mostly, and else one that it had or that nobody has.
func (a *author) rev(r protocol.Ref) string {
	d := a.known.get(r)
	switch {
	case d == nil || a.one(6):
		return "AAAAAAAAAAAAAAAAAAAAAA"
	case len(a.known.written[r]) > 1 && a.one(6):
		if old := a.known.written[r][0]; old != nil {
			return old.Rev
		}
	}
	return d.Rev
}

// audit makes one entry of each change.
func audit(n int) func([]backends.Change) []backends.Entry {
	return func(changes []backends.Change) (entries []backends.Entry) {
		for i, c := range changes {
			e := backends.Entry{Kind: "trail", Key: fmt.Sprintf("%08d-%d", n, i), Body: []byte(sayChange(c))}
			if c.Doc != nil {
				e.At = c.Doc.Updated
			}
			entries = append(entries, e)
		}
		return slices.Clip(entries)
	}
}
