package sqlite

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// transaction carries out one backends.Tx inside the writer's.
type transaction struct {
	writer *writer
	job    *job
	tx     *backends.Tx
	memory *memory // nil without a mutation
}

// simple: what fails, fails before anything was stored, or is undone by hand; so no savepoint is needed.
func (t *transaction) simple() bool { return len(t.tx.Writes) == 1 && t.tx.Entries == nil }

func (t *transaction) run() error {
	if t.tx.Mutation != "" {
		t.memory = &memory{backends.Remember(t.tx)}
		fresh, err := t.memory.store(t.writer.conn)
		if err != nil {
			return err
		}
		if !fresh {
			return t.replay()
		}
	}
	changes, err := t.writes()
	if err != nil && t.memory != nil && t.simple() && refusal(err) {
		if e := t.memory.forget(t.writer.conn); e != nil {
			return e // ends the group: a refused transaction must not be remembered
		}
	}
	if err != nil {
		return err
	}
	if t.tx.Entries != nil {
		for _, e := range t.tx.Entries(changes) {
			if err := put(t.writer.conn, e); err != nil {
				return err
			}
		}
	}
	t.job.out.Changes = changes
	if t.memory != nil {
		return t.memory.amend(t.writer.conn, changes)
	}
	return nil
}

func (t *transaction) writes() ([]backends.Change, error) {
	changes := make([]backends.Change, 0, len(t.tx.Writes))
	for i := range t.tx.Writes {
		var x *index
		if t.job.indexes != nil {
			x = t.job.indexes[i]
		}
		change, err := t.write(t.tx.Writes[i], x)
		if err != nil {
			return nil, &backends.WriteError{Index: i, Err: err}
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (t *transaction) write(w backends.Write, x *index) (backends.Change, error) {
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

// find is the document that the write is about. An insert does not look: the primary key will.
func (t *transaction) find(w backends.Write, x *index) (*protocol.Document, error) {
	b := t.writer.backend
	switch {
	case w.Op == backends.Insert:
		return nil, nil
	case w.Filter == nil || w.Filter.ID != "" || w.ID != "":
		id := w.ID
		if id == "" {
			id = w.Filter.ID
		}
		doc, _, err := b.get(t.writer.conn, protocol.Ref{Scope: t.tx.Scope, Collection: w.Collection, ID: id})
		if err != nil || doc == nil || w.Filter != nil && !w.Filter.Matches(doc) {
			return nil, err
		}
		return doc, nil
	}
	return t.writer.newest(t.tx.Scope, w.Collection, *w.Filter, x)
}

// OR FAIL spares SQLite a journal of each statement, and with it the copying of every page that it touches. What
// could fail halfway ends the writer's whole transaction here, see [refusal].
const (
	insertSQL = `INSERT OR FAIL INTO app_data (workspace_id, app_id, collection, id, data, created_at, updated_at, rev)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	updateSQL = `UPDATE OR FAIL app_data SET data = ?, updated_at = ?, rev = ?
		WHERE workspace_id = ? AND app_id = ? AND collection = ? AND id = ?`
	deleteSQL = `DELETE FROM app_data WHERE workspace_id = ? AND app_id = ? AND collection = ? AND id = ?`
)

func (t *transaction) store(change *backends.Change) error {
	ctx, c, r, doc := context.Background(), t.writer.conn, change.Ref, change.Doc
	workspace, app := r.Scope.Workspace, r.Scope.StoredApp()
	switch change.Op {
	case backends.Insert:
		n, err := c.exec(ctx, insertSQL, workspace, app, r.Collection, r.ID, string(doc.Data), doc.Created.UnixMilli(), doc.Updated.UnixMilli(), doc.Rev)
		if err == nil && n == 0 { // also if the one that is there is withheld
			return protocol.Errorf(protocol.CodeAlreadyExists, "there is already a document %q in %q", r.ID, r.Collection)
		}
		return err
	case backends.Update:
		_, err := c.exec(ctx, updateSQL, string(doc.Data), doc.Updated.UnixMilli(), doc.Rev, workspace, app, r.Collection, r.ID)
		return err
	}
	_, err := c.exec(ctx, deleteSQL, workspace, app, r.Collection, r.ID)
	return err
}

// replay answers a transaction that was carried out before, with the documents as they are now.
func (t *transaction) replay() error {
	same, results, err := t.memory.recall(t.writer.conn)
	if err != nil {
		return err
	}
	if !same {
		return backends.ErrMismatch
	}
	t.job.out.Replayed = true
	for _, r := range results {
		change := backends.Change{Ref: protocol.Ref{Scope: t.tx.Scope, Collection: r.Collection, ID: r.ID}, Op: r.Op, By: t.tx.By}
		if change.Doc, _, err = t.writer.backend.get(t.writer.conn, change.Ref); err != nil {
			return err
		}
		t.job.out.Changes = append(t.job.out.Changes, change)
	}
	return nil
}
