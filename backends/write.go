package backends

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// Tx is one transaction of writes: all or nothing.
type Tx struct {
	Scope protocol.Scope
	By    Actor
	// At is the time that the documents are stamped with.
	At time.Time
	// Mutation, if not empty, is the request's memory: a driver keeps it, Digest and each write's id and
	// created flag for at least 24 h, committed with the writes. A later Tx of the same Scope, Principal and
	// Mutation is Replayed if its Digest is the same, and refused with mutation_mismatch otherwise. Refused
	// transactions are not remembered.
	Mutation  string
	Principal string
	Digest    [32]byte
	Writes    []Write
	// Entries are ledger rows to commit with the writes, made from their changes; pure, may run again.
	Entries func([]Change) []Entry
}

// Outcome answers one Tx.
type Outcome struct {
	// Changes has one element per write, in order. Op tells an upsert's insert from its update. Of a Replayed
	// transaction Doc is the document as it is now (nil: gone), Before is nil and Commit is unset.
	Changes  []Change
	Replayed bool
	// Cursor, of a Replayed transaction, is a snapshot in which the first effect is visible.
	Cursor Cursor
	Err    error
}

// WriteError says which write refused its transaction.
type WriteError struct {
	Index int
	Err   error
}

func (e *WriteError) Error() string { return e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// WriteOne is Write for a single transaction.
func WriteOne(ctx context.Context, b Backend, tx Tx) (Outcome, error) {
	o := b.Write(ctx, []Tx{tx})[0]
	return o, o.Err
}

// Write is one operation of a transaction, checked and complete but for what only the database knows.
type Write struct {
	Op         Op
	Collection string
	// ID names the document; empty for an Upsert by Filter.
	ID string
	// NewID is the id that an Upsert by Filter gives to a document it creates.
	NewID string
	// Data is a canonical object without reserved names: the whole document of an Insert, the fields to
	// replace of an Update or Upsert.
	Data []byte
	// Filter is set for an Upsert by filter (which may name an ID as well).
	Filter *protocol.Filter
	// IfRev, if not empty, refuses the write unless it is the document's Rev.
	IfRev string
	// Paths: names with dots in Data and Filter lead to nested fields.
	Paths bool
	// MaxBytes bounds the stored result's data; a document that is over it already may shrink.
	MaxBytes int
}

// Apply decides what the write does to the document that the transaction found: the one named ID, or that
// Filter picks (see [Newest]); nil if there is none. It is the one place where merging, times, ifRev and
// limits are decided, for every driver. The change it returns lacks Commit.
//
// An Insert, or an Upsert that found nothing, may still meet its id: a withheld row, or a document that the filter
// names by _id and does not match. Storing must then fail with already_exists.
//
// It fails with already_exists, not_found, conflict, invalid_document, invalid_id or too_large.
func (w Write) Apply(tx *Tx, found *protocol.Document) (Change, error) {
	change := Change{Ref: w.ref(tx, found), Before: found, By: tx.By}
	if err := w.check(found); err != nil {
		return change, err
	}
	if w.Op == Delete {
		change.Op = Delete
		return change, nil
	}
	created, updated, base := tx.At, tx.At, []byte("{}")
	change.Op = Insert
	if found != nil {
		change.Op = Update
		created, base = found.Created, found.Data
		// Per document, time moves: an update is newer than what it updates, whatever the clocks say.
		if floor := found.Updated.Add(time.Millisecond); updated.Before(floor) {
			updated = floor
		}
	}
	data, err := w.data(base, found != nil)
	if err != nil {
		return change, err
	}
	change.Doc = protocol.NewDocument(change.Ref.ID, data, created, updated)
	return change, nil
}

func (w Write) ref(tx *Tx, found *protocol.Document) protocol.Ref {
	id := w.ID
	switch {
	case found != nil:
		id = found.ID
	case id == "" && w.Filter != nil && w.Filter.ID != "":
		id = w.Filter.ID
	case id == "":
		id = w.NewID
	}
	return protocol.Ref{Scope: tx.Scope, Collection: w.Collection, ID: id}
}

func (w Write) check(found *protocol.Document) error {
	switch {
	case w.Op == Insert && found != nil:
		return protocol.Errorf(protocol.CodeAlreadyExists, "there is already a document %q in %q", w.ID, w.Collection)
	case (w.Op == Update || w.Op == Delete) && found == nil:
		return protocol.Errorf(protocol.CodeNotFound, "there is no document %q in %q", w.ID, w.Collection)
	case w.IfRev != "" && found == nil:
		return protocol.Errorf(protocol.CodeConflict, "the document is gone: read it again")
	case w.IfRev != "" && w.IfRev != found.Rev:
		return protocol.Errorf(protocol.CodeConflict, "the document has changed since that revision: read it again")
	case w.Op == Upsert && found == nil:
		return w.checkNew()
	}
	return nil
}

// checkNew holds what an upsert newly makes to the grammar. An id of the server's form that does not exist
// cannot be meant as a new one.
func (w Write) checkNew() error {
	id := w.ID
	if id == "" && w.Filter != nil {
		id = w.Filter.ID
	}
	if id == "" {
		return protocol.CheckNewCollection(w.Collection)
	}
	if protocol.ServerMade(id) {
		return protocol.Errorf(protocol.CodeNotFound, "there is no document %q in %q", id, w.Collection)
	}
	return errors.Join(protocol.CheckNewID(id), protocol.CheckNewCollection(w.Collection))
}

// data is the document's data after the write.
func (w Write) data(base []byte, exists bool) (data []byte, err error) {
	data = base
	if w.Filter != nil && !exists {
		if data, err = w.merge(data, w.Filter.Object()); err != nil {
			return nil, err
		}
	}
	if data, err = w.merge(data, w.Data); err != nil {
		return nil, err
	}
	if w.MaxBytes > 0 && len(data) > w.MaxBytes && (!exists || len(data) > len(base)) {
		return nil, protocol.Errorf(protocol.CodeTooLarge, "the document would be %d bytes; the limit is %d", len(data), w.MaxBytes)
	}
	return data, nil
}

func (w Write) merge(base, patch []byte) ([]byte, error) {
	if w.Paths {
		return protocol.MergePaths(base, patch)
	}
	if len(base) == 2 { // an empty object: nothing to merge with
		return patch, nil
	}
	return protocol.Merge(base, patch), nil
}

// Newest picks the document that an upsert by filter means: of those that match, the one updated last, then the
// smallest id; nil if none does.
func Newest(f protocol.Filter, docs []protocol.Document) *protocol.Document {
	var best *protocol.Document
	for i := range docs {
		if d := &docs[i]; f.Matches(d) && (best == nil || Before(d, best)) {
			best = d
		}
	}
	return best
}

// Before is the order of lists: newest Updated first, then by ID.
func Before(a, b *protocol.Document) bool {
	if !a.Updated.Equal(b.Updated) {
		return a.Updated.After(b.Updated)
	}
	return a.ID < b.ID
}
