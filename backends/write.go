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
	// At is the time with which the documents are stamped.
	At time.Time
	// Mutation, if not empty, makes the transaction happen once. With the writes, the driver
	// commits a record of Mutation, Digest and each write's id and operation, and keeps it for 24 h
	// at least. A later Tx of the same Scope, Principal and Mutation is Replayed if its Digest is
	// the same; otherwise it is refused with mutation_mismatch. Refused transactions are not
	// recorded.
	Mutation  string
	Principal string
	Digest    [32]byte
	Writes    []Write
	// MaxBytes bounds the documents of the outcome in all (0: no bound). A transaction over it is
	// refused with too_large, also one that is Replayed.
	MaxBytes int
	// FullDocuments, if set, refuses what makes a document, and FullBytes what makes the data of one
	// longer: the scope has no room. What deletes or makes shorter is carried out.
	FullDocuments, FullBytes error
	// Entries makes ledger entries of the writes' changes. The driver commits them with the writes.
	// It may call Entries several times, so Entries must have no effects.
	Entries func([]Change) []Entry
}

// Outcome answers one Tx.
type Outcome struct {
	// Changes has one element per write, in order. Op reports whether an upsert was an insert or an
	// update. Of a Replayed transaction, Doc is the document as it is now (nil: gone), and Before
	// and Commit are nil.
	Changes  []Change
	Replayed bool
	// Cursor, of a Replayed transaction, is a snapshot that shows what the transaction did the
	// first time.
	Cursor Cursor
	Err    error
}

// WriteError says because of which write a transaction was refused.
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

// Write is one operation of a transaction. It is checked, except for what only the database knows.
type Write struct {
	Op         Op
	Collection string
	// ID names the document. It is empty for an Upsert by Filter.
	ID string
	// NewID is the id of a document that an Upsert by Filter creates.
	NewID string
	// Data is a canonical object without reserved names. For an Insert it is the whole document,
	// for an Update or Upsert the fields to replace.
	Data []byte
	// Filter is set for an Upsert by filter. It may name an id.
	Filter *protocol.Filter
	// IfRev, if not empty, must be the document's Rev. Otherwise the write is refused.
	IfRev string
	// Replace makes Data of an Update the whole document: fields that it does not name are removed.
	Replace bool
	// Paths makes names with dots in Data and Filter lead to nested fields.
	Paths bool
	// MaxBytes bounds the data of the stored document (0: no bound). A document that exceeds it
	// already, because another program wrote it or the bound was higher, may grow up to MaxDocument.
	// Any document may shrink.
	MaxBytes int
}

// Apply decides what the write does. found is the document that ID names or that Filter means (see
// [Newest]), nil if there is none. Only Apply decides merging, times, ifRev and limits, for every
// driver. The change that it returns lacks Commit.
//
// It fails with already_exists, not_found, conflict, invalid_document, invalid_id or too_large, or as
// Tx.FullDocuments and Tx.FullBytes say.
//
// After an Insert, or an Upsert that found nothing, the id may still be taken: by a withheld
// document, or by one that the filter names by _id and does not match. The driver must then refuse
// with already_exists.
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
		// An update is newer than the document that it updates, whatever the clocks say.
		if floor := found.Updated.Add(time.Millisecond); updated.Before(floor) {
			updated = floor
		}
	}
	data, err := w.data(base, found != nil)
	if err != nil {
		return change, err
	}
	if err := tx.room(found, data); err != nil {
		return change, err
	}
	change.Doc = protocol.NewDocument(change.Ref.ID, data, created, updated)
	return change, nil
}

// room fails if data needs room that the scope has not.
func (tx *Tx) room(found *protocol.Document, data []byte) error {
	switch {
	case found == nil && tx.FullDocuments != nil:
		return tx.FullDocuments
	case found == nil || len(data) > len(found.Data):
		return tx.FullBytes
	}
	return nil
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
		return protocol.Errorf(protocol.CodeAlreadyExists,
			"there is already a document %q in %q", w.ID, w.Collection)
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

// checkNew checks the names of a document that an upsert creates. An id of the form that only the
// server makes cannot be new.
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
	if w.Replace {
		data = []byte("{}")
	}
	if w.Filter != nil && !exists {
		if data, err = w.merge(data, w.Filter.Object()); err != nil {
			return nil, err
		}
	}
	if data, err = w.merge(data, w.Data); err != nil {
		return nil, err
	}
	most := w.MaxBytes
	if exists && len(base) > most {
		most = max(MaxDocument, len(base))
	}
	if w.MaxBytes > 0 && len(data) > most {
		return nil, protocol.Errorf(protocol.CodeTooLarge,
			"the document would be %d bytes; the limit is %d", len(data), most)
	}
	return data, nil
}

func (w Write) merge(base, patch []byte) ([]byte, error) {
	if w.Paths {
		return protocol.MergePaths(base, patch)
	}
	if len(base) == 2 { // the base is an empty object
		return patch, nil
	}
	return protocol.Merge(base, patch), nil
}

// Newest returns the document that an upsert by filter means: of those that match, the one that was
// updated last, then the one with the smallest id. It returns nil if none matches.
func Newest(f protocol.Filter, docs []protocol.Document) *protocol.Document {
	var best *protocol.Document
	for i := range docs {
		if d := &docs[i]; f.Matches(d) && (best == nil || Before(d, best)) {
			best = d
		}
	}
	return best
}

// Before is the order of lists: a precedes b if it was updated later, or at the same time with a
// smaller ID.
func Before(a, b *protocol.Document) bool {
	if !a.Updated.Equal(b.Updated) {
		return a.Updated.After(b.Updated)
	}
	return a.ID < b.ID
}
