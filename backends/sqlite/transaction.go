package sqlite

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// transaction carries out one [backends.Tx] inside the writer's transaction.
type transaction struct {
	writer   *writer
	job      *job
	tx       *backends.Tx
	mutation *mutation // nil without a mutation id
}

// simple reports whether the transaction needs no savepoint: it is refused before it has stored anything, or
// undoes itself. Its entries are stored last, and that they cannot be stored is no refusal: it ends the group.
func (t *transaction) simple() bool { return len(t.tx.Writes) == 1 }

func (t *transaction) run() error {
	if record := driverkit.NewMutationRecord(t.tx); record != nil {
		t.mutation = &mutation{record}
		fresh, err := t.mutation.store(t.writer.conn)
		if err != nil {
			return err
		}
		if !fresh {
			return t.replay()
		}
	}
	changes, err := t.writes()
	if err != nil && t.mutation != nil && t.simple() && refusal(err) {
		if e := t.mutation.remove(t.writer.conn); e != nil {
			return e // it ends the group: a refused mutation must not be recorded
		}
	}
	if err != nil {
		return err
	}
	if t.tx.Entries != nil {
		for _, e := range t.tx.Entries(changes) {
			if err := addEntry(t.writer.conn, e); err != nil {
				return err
			}
		}
	}
	t.job.out.Changes = changes
	if t.mutation != nil {
		return t.mutation.amend(t.writer.conn, changes)
	}
	return nil
}

func (t *transaction) writes() ([]backends.Change, error) {
	changes := make([]backends.Change, 0, len(t.tx.Writes))
	var results driverkit.Results
	for i := range t.tx.Writes {
		var x *index
		if t.job.indexes != nil {
			x = t.job.indexes[i]
		}
		change, err := t.write(&t.tx.Writes[i], x)
		if err == nil {
			err = results.Add(t.tx, &change)
		}
		if err != nil {
			return nil, &backends.WriteError{Index: i, Err: err}
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (t *transaction) write(w *backends.Write, x *index) (backends.Change, error) {
	found, err := t.find(w, x)
	if err != nil {
		return backends.Change{}, err
	}
	change, err := w.Apply(t.tx, found)
	if err != nil {
		return change, err
	}
	if err := t.store(&change); err != nil {
		return change, err
	}
	if change.Doc != nil {
		t.writer.indexDocument(change.Ref, change.Doc)
	}
	return change, nil
}

// find returns the document that the write is about. An insert does not look: the primary key
// decides.
func (t *transaction) find(w *backends.Write, x *index) (*protocol.Document, error) {
	r := driverkit.Target(t.tx, w)
	switch {
	case w.Op == backends.Insert:
		return nil, nil
	case w.Filter != nil && r.ID == "":
		if s := t.job.searches[collection{t.tx.Scope, w.Collection}]; s != nil {
			return t.writer.searched(s, w)
		}
		return t.writer.newest(t.tx.Scope, w.Collection, *w.Filter, x)
	}
	doc, _, err := t.writer.backend.get(t.writer.conn, r)
	if err != nil || doc == nil || w.Filter != nil && !w.Filter.Matches(doc) {
		return nil, err
	}
	return doc, nil
}
