package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// This file is the writer's side of the upsert indexes. A live index hears of every document that the writer
// stores; of what others commit it learns at the next BEGIN, from the log. Any other index catches up from the log
// when a job brings it along.

// maxCatchUp is how much of the log is read to bring an index up to date; more, and it is built anew.
const maxCatchUp = 20_000

// newest finds the document that an upsert by filter means.
func (w *writer) newest(s protocol.Scope, collection string, f protocol.Filter, x *index) (*protocol.Document, error) {
	x, err := w.current(x)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return w.walk(s, collection, f, nil)
	}
	ids, ok := x.candidates(f)
	if !ok {
		return w.walk(s, collection, f, x)
	}
	docs := make([]protocol.Document, 0, len(ids))
	for _, id := range ids {
		doc, _, err := w.backend.get(w.conn, protocol.Ref{Scope: s, Collection: collection, ID: id})
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

// walk looks at the newest documents first, so the first that matches is the one. It is for filters that
// many documents match, and for no filter at all; and the way out when there is no index.
func (w *writer) walk(s protocol.Scope, collection string, f protocol.Filter, x *index) (found *protocol.Document, err error) {
	passed := 0
	err = w.conn.each(context.Background(), listPageSQL, []any{s.Workspace, s.StoredApp(), collection}, func(row []driver.Value) error {
		doc := w.backend.document(s, collection, row)
		if doc != nil && f.Matches(doc) {
			found = doc
			return errEnough
		}
		passed++
		return nil
	})
	if x != nil && !x.whole {
		w.missed(x, max(0, passed-maxBucket))
	}
	return found, err
}

func (w *writer) missed(x *index, n int) {
	if x.missed(n) {
		w.backend.upserts.drop(x)
		w.retire(x)
	}
}

// current is the index to use for x's shape, complete as of now; nil if the log does not reach back.
func (w *writer) current(x *index) (*index, error) {
	if x == nil {
		return nil, nil
	}
	for _, y := range w.live[x.shape.place] {
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

// adopt makes x live, in place of an earlier one of its shape and of those dropped meanwhile.
func (w *writer) adopt(x *index) {
	for _, y := range slices.Clone(w.live[x.shape.place]) {
		if y.shape == x.shape || y.dropped.Load() {
			w.retire(y)
		}
	}
	w.live[x.shape.place] = append(w.live[x.shape.place], x)
}

// retire ends x's being live. Jobs in the queue may still bring it along: it is complete as of the last commit.
func (w *writer) retire(x *index) {
	at := x.shape.place
	rest := slices.DeleteFunc(w.live[at], func(y *index) bool { return y == x })
	if len(rest) == 0 {
		delete(w.live, at)
	} else {
		w.live[at] = rest
	}
	x.seq = max(x.seq, w.synced)
}

// indexDocument tells the live indexes of a document that is being stored.
func (w *writer) indexDocument(r protocol.Ref, doc *protocol.Document) {
	for _, x := range w.live[place{r.Scope, r.Collection}] {
		x.add(doc)
	}
}

// tidy retires what was dropped and lets the total shrink; between transactions.
func (w *writer) tidy() {
	for _, xs := range w.live {
		for _, x := range slices.Clone(xs) {
			if x.dropped.Load() {
				w.retire(x)
			}
		}
	}
	w.backend.upserts.shrink()
}

// catchUp tells the live indexes of what others have committed.
func (w *writer) catchUp() error {
	if len(w.live) == 0 {
		return nil
	}
	complete, err := w.changed(w.synced, nil, func(r protocol.Ref, doc *protocol.Document) { w.indexDocument(r, doc) })
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

// follow brings one index up to the transaction's own state. Its seq stays: the transaction may not last.
func (w *writer) follow(x *index) (complete bool, err error) {
	return w.changed(x.seq, &x.shape.place, func(_ protocol.Ref, doc *protocol.Document) { x.add(doc) })
}

const (
	changedSQL = "SELECT DISTINCT workspace_id, app_id, collection, id FROM app_data_changes WHERE seq > ?"
	reachSQL   = "SELECT floor_seq, (SELECT max(seq) FROM app_data_changes) FROM app_data_meta"
)

// changed calls tell for the documents that the log names after a position, in one place or in all that have
// live indexes. It is not complete if the log does not reach back, or is too long to be worth it.
func (w *writer) changed(since int64, only *place, tell func(protocol.Ref, *protocol.Document)) (complete bool, err error) {
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
		sql, args = sql+" AND workspace_id = ? AND app_id = ?", append(args, only.scope.Workspace, only.scope.StoredApp())
	}
	err = w.conn.each(ctx, sql, args, func(row []driver.Value) error {
		var workspace, app, collection, id string
		if err := scan(row, &workspace, &app, &collection, &id); err != nil {
			return nil // no text: no document that anybody can see
		}
		r := protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection, ID: id}
		at := place{r.Scope, r.Collection}
		if only != nil && at != *only || only == nil && len(w.live[at]) == 0 {
			return nil
		}
		doc, _, err := w.backend.get(w.conn, r)
		if err == nil && doc != nil {
			tell(r, doc)
		}
		return err
	})
	return true, err
}
