package driverkit

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Staged holds documents as the writes of an open transaction have left them so far. A driver reads
// the documents that writes name into it, applies the writes, and stores what has changed.
type Staged struct {
	Docs map[protocol.Ref]*StagedDoc
	undo []undo // since the last Begin

	index *stagedIndex // nil until the first upsert by filter
}

// StagedDoc is the state of one document. One that does not exist has a state too.
type StagedDoc struct {
	Doc *protocol.Document // nil: absent or withheld
	// Exists is true for a withheld document too: its id is taken.
	Exists bool
	// Changed is true once a write has changed the document.
	Changed bool
	// Created is true once a write has created the document, possibly after another one deleted it.
	Created bool
}

type undo struct {
	doc    *StagedDoc
	before StagedDoc
}

// NewStaged returns one without documents.
func NewStaged() *Staged { return &Staged{Docs: map[protocol.Ref]*StagedDoc{}} }

// Target is the document that a write names. Its ID is empty if only the write's filter tells.
func Target(tx *backends.Tx, w *backends.Write) protocol.Ref {
	r := protocol.Ref{Scope: tx.Scope, Collection: w.Collection, ID: w.ID}
	if r.ID == "" && w.Filter != nil {
		r.ID = w.Filter.ID
	}
	return r
}

// ByFilter reports whether a write is an upsert whose document only its filter tells.
func ByFilter(w *backends.Write) bool {
	return w.Op == backends.Upsert && w.Filter != nil && w.Filter.ID == "" && w.ID == ""
}

// Named gives a state to each document that the writes of tx name, and returns those that had none
// yet.
func (s *Staged) Named(tx *backends.Tx) (refs []protocol.Ref) {
	for i := range tx.Writes {
		if r := Target(tx, &tx.Writes[i]); r.ID != "" && s.Docs[r] == nil {
			s.Docs[r] = &StagedDoc{}
			refs = append(refs, r)
		}
	}
	return refs
}

// Loaded notes a document that was read from the database; doc is nil if it is withheld.
func (s *Staged) Loaded(r protocol.Ref, doc *protocol.Document) {
	s.Docs[r] = &StagedDoc{Doc: doc, Exists: true}
	s.index.add(r, doc)
}

// Find returns the document that a write names, nil if it is absent or if the write's filter does
// not match it. Named must have been called for the write.
func (s *Staged) Find(tx *backends.Tx, w *backends.Write) *protocol.Document {
	doc := s.Docs[Target(tx, w)].Doc
	if doc == nil || w.Filter != nil && !w.Filter.Matches(doc) {
		return nil
	}
	return doc
}

// Newest returns the staged document that the filter of an upsert means, nil if there is none.
func (s *Staged) Newest(tx *backends.Tx, w *backends.Write) (best *protocol.Document) {
	if s.index == nil {
		s.index = newStagedIndex(s.Docs)
	}
	for r := range s.index.candidates(tx, w) {
		d := s.Docs[r].Doc
		if d != nil && (best == nil || backends.Before(d, best)) && w.Filter.Matches(d) {
			best = d
		}
	}
	return best
}

// Begin ends the effect of Undo on what has been applied before.
func (s *Staged) Begin() { s.undo = s.undo[:0] }

// Undo takes back what has been applied since Begin.
func (s *Staged) Undo() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		*s.undo[i].doc = s.undo[i].before
	}
	s.undo = s.undo[:0]
}

// Apply decides a write on the document that it has found, and stages the result. It fails as
// [backends.Write.Apply] does, and with already_exists if an insert meets a document that exists.
func (s *Staged) Apply(
	tx *backends.Tx, w *backends.Write, found *protocol.Document,
) (change backends.Change, err error) {
	if change, err = w.Apply(tx, found); err != nil {
		return change, err
	}
	d := s.Docs[change.Ref]
	if d == nil {
		d = &StagedDoc{}
		s.Docs[change.Ref] = d
	}
	if change.Op == backends.Insert && d.Exists { // it is withheld, or the filter does not match it
		return change, ErrExists(change.Ref)
	}
	s.undo = append(s.undo, undo{d, *d})
	d.Doc, d.Exists, d.Changed = change.Doc, change.Doc != nil, true
	d.Created = d.Created || change.Op == backends.Insert
	s.index.add(change.Ref, change.Doc)
	return change, nil
}
