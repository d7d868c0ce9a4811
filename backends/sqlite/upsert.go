package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// This file is the writer's side of the upsert indexes. A live index gets every document that the
// writer stores. It gets those that others commit at the next BEGIN, from the log. An index that is
// not live catches up from the log when a job uses it.

// maxCatchUp is how many rows of the log are read to bring an index up to date. An index that is
// further behind is built anew.
const maxCatchUp = 20_000

// newest returns the document that an upsert by filter means, nil if there is none. x is the index
// that the job has brought; it may be nil.
func (w *writer) newest(
	s protocol.Scope, name string, f protocol.Filter, x *index,
) (*protocol.Document, error) {
	x, err := w.current(x)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return w.walk(s, name, f, nil)
	}
	ids, ok := x.candidates(f)
	if !ok {
		return w.walk(s, name, f, x)
	}
	docs := make([]protocol.Document, 0, len(ids))
	for _, id := range ids {
		doc, _, err := w.backend.get(w.conn, protocol.Ref{Scope: s, Collection: name, ID: id})
		if err != nil {
			return nil, err
		}
		if doc != nil && f.Matches(doc) {
			docs = append(docs, *doc)
		}
	}
	w.missed(x, len(ids)-len(docs))
	return backends.Newest(f, docs), nil
}

// walk reads a collection, newest documents first: the first that matches is the one. It serves
// filters that match many documents, filters without conditions, and upserts without an index. It
// fails with driverkit.ErrSearchFirst after maxWalk documents of one job.
func (w *writer) walk(
	s protocol.Scope, name string, f protocol.Filter, x *index,
) (found *protocol.Document, err error) {
	passed := 0
	args := []any{s.Workspace, s.StoredApp(), name}
	err = w.conn.each(context.Background(), listPageSQL, args, func(row []driver.Value) error {
		doc := w.backend.document(s, name, row)
		if doc != nil && f.Matches(doc) {
			found = doc
			return errEnough
		}
		passed++
		if w.walked++; w.walked >= maxWalk {
			return driverkit.ErrSearchFirst
		}
		return nil
	})
	if x != nil && !x.tooLarge {
		w.missed(x, max(0, passed-maxBucket))
	}
	return found, err
}

// missed counts wrong candidates of an index, and drops it if there have been too many.
func (w *writer) missed(x *index, n int) {
	if x.missed(n) {
		w.backend.upserts.drop(x)
		w.retire(x)
	}
}

// current returns an index of x's shape that is complete as of the open transaction. It returns nil
// if the log does not reach back far enough.
func (w *writer) current(x *index) (*index, error) {
	if x == nil {
		return nil, nil
	}
	for _, y := range w.live[x.shape.collection] {
		if y.shape == x.shape && !y.dropped.Load() && y.number >= x.number {
			return y, nil
		}
	}
	complete, err := w.follow(x)
	if err != nil || !complete {
		w.backend.upserts.drop(x)
		return nil, err
	}
	if !x.dropped.Load() {
		w.adopt(x)
	}
	return x, nil
}

// adopt makes an index live. It replaces an earlier index of its shape, and indexes that were
// dropped.
func (w *writer) adopt(x *index) {
	for _, y := range slices.Clone(w.live[x.shape.collection]) {
		if y.shape == x.shape || y.dropped.Load() {
			w.retire(y)
		}
	}
	w.live[x.shape.collection] = append(w.live[x.shape.collection], x)
}

// retire makes an index not live. It is complete as of the last commit, for jobs in the queue may
// still use it.
func (w *writer) retire(x *index) {
	at := x.shape.collection
	rest := slices.DeleteFunc(w.live[at], func(y *index) bool { return y == x })
	if len(rest) == 0 {
		delete(w.live, at)
	} else {
		w.live[at] = rest
	}
	x.seq = max(x.seq, w.synced)
}

// indexDocument adds a document that is being stored to the live indexes.
func (w *writer) indexDocument(r protocol.Ref, doc *protocol.Document) {
	for _, x := range w.live[collection{r.Scope, r.Collection}] {
		x.add(doc)
	}
}

// retireDropped retires indexes that were dropped, and drops more if they are too large together.
// It is called between transactions.
func (w *writer) retireDropped() {
	for _, xs := range w.live {
		for _, x := range slices.Clone(xs) {
			if x.dropped.Load() {
				w.retire(x)
			}
		}
	}
	w.backend.upserts.shrink()
}

// catchUp adds the documents that others have committed to the live indexes.
func (w *writer) catchUp() error {
	if len(w.live) == 0 {
		return nil
	}
	complete, err := w.changed(w.synced, nil, w.indexDocument)
	if err != nil || complete {
		return err
	}
	for _, xs := range w.live {
		for _, x := range xs {
			w.backend.upserts.drop(x)
		}
	}
	clear(w.live)
	return nil
}

// follow brings one index up to the state of the open transaction. Its seq stays: the transaction
// may be rolled back.
func (w *writer) follow(x *index) (complete bool, err error) {
	add := func(_ protocol.Ref, doc *protocol.Document) { x.add(doc) }
	return w.changed(x.seq, &x.shape.collection, add)
}

const (
	changedSQL = "SELECT DISTINCT workspace_id, app_id, collection, id FROM app_data_changes WHERE seq > ?"
	reachSQL   = "SELECT floor_seq, (SELECT max(seq) FROM app_data_changes) FROM app_data_meta"
)

// changed calls add for each document that the log names after a position: in one collection, or in
// all that have live indexes. complete is false if the log does not reach back far enough, or is
// too long.
func (w *writer) changed(
	since int64, only *collection, add func(protocol.Ref, *protocol.Document),
) (complete bool, err error) {
	ctx := context.Background()
	var floor, newest int64
	if _, err := w.conn.one(ctx, reachSQL, nil, &floor, &newest); err != nil {
		return false, err
	}
	if since < floor || newest < since || newest-since > maxCatchUp {
		return false, nil
	}
	sql, args := changedSQL, []any{since}
	if only != nil {
		sql += " AND workspace_id = ? AND app_id = ?"
		args = append(args, only.scope.Workspace, only.scope.StoredApp())
	}
	err = w.conn.each(ctx, sql, args, func(row []driver.Value) error {
		var workspace, app, name, id string
		if err := scan(row, &workspace, &app, &name, &id); err != nil {
			return nil // a key is no text: clients never see such a document
		}
		r := protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: name, ID: id}
		at := collection{r.Scope, r.Collection}
		if only != nil && at != *only || only == nil && len(w.live[at]) == 0 {
			return nil
		}
		doc, _, err := w.backend.get(w.conn, r)
		if err == nil && doc != nil {
			add(r, doc)
		}
		return err
	})
	return true, err
}
