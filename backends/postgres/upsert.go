package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// maxMatches is how many documents that may match a filter are locked and looked at together. Of more, the newest are
// looked through one page after the other.
const maxMatches = 100

// The prefilter goes by the index of values, whatever the planner's guess: @> also finds arrays and objects that hold
// more, and what matches is decided by [protocol.Filter].
const (
	matchSQL = "SELECT " + columns + ` FROM @.app_data WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND data @> $4::text::jsonb`
	someSQL  = matchSQL + " LIMIT 101 FOR UPDATE" // maxMatches and one
	pageSize = 200
	// Without seqscan every plan that has one after all is as costly as can be, which is what PostgreSQL compiles plans
	// for: that took each upsert a tenth of a second.
	steerSQL = "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
)

// queueFilters asks for the documents that filters may mean.
func (t *transaction) queueFilters(batch *pgx.Batch) {
	steered := false
	for i := range t.tx.Writes {
		w := &t.tx.Writes[i]
		if w.Op != backends.Upsert || w.Filter == nil || w.Filter.ID != "" {
			continue
		}
		if !steered {
			batch.Queue(steerSQL)
			steered = true
		}
		pattern := containment(w.Filter)
		if pattern == "{}" { // nothing to go by: the walk decides
			t.many[i] = true
			continue
		}
		batch.Queue(t.backend.sql(someSQL), t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), w.Collection, pattern).
			Query(func(rows pgx.Rows) error { return t.takeMatches(i, w, rows) })
	}
}

func (t *transaction) takeMatches(i int, w *backends.Write, rows pgx.Rows) error {
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
		var r row
		if err := rows.Scan(r.into()...); err != nil {
			return err
		}
		if doc := t.know(w.Collection, &r); doc != nil {
			t.matches[i] = append(t.matches[i], *doc)
		}
	}
	t.many[i] = n > maxMatches
	return rows.Err()
}

// containment is an object that every document which the filter matches contains, in the sense of @>. A path may lead
// through an array, of which @> knows no positions, so names that are numbers are left out, and so are empty containers,
// which the index does not hold.
func containment(f *protocol.Filter) string {
	var parts []string
	for _, c := range f.Conditions {
		names := []string{c.Field}
		if f.Paths {
			names = strings.Split(c.Field, ".")
		}
		if slices.ContainsFunc(names[1:], isNumber) || string(c.Value) == "{}" || string(c.Value) == "[]" {
			continue
		}
		text := string(c.Value)
		for _, name := range slices.Backward(names) {
			text = "{" + string(protocol.AppendString(nil, name)) + ":" + text + "}"
		}
		parts = append(parts, text[1:len(text)-1])
	}
	// The same first name twice, of two paths, would make one of them void: jsonb keeps the last.
	if f.Paths && len(parts) > 1 {
		parts = parts[:1]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func isNumber(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
}

// newest is the document that an upsert by filter means: of what is stored and what the writes before it have made.
func (t *transaction) newest(ctx context.Context, i int) (*protocol.Document, error) {
	w := &t.tx.Writes[i]
	var docs []protocol.Document
	for r, s := range t.state { // all that were read are known, and as of now
		if r.Collection == w.Collection && s.doc != nil {
			docs = append(docs, *s.doc)
		}
	}
	best := backends.Newest(*w.Filter, docs)
	if !t.many[i] {
		return best, nil
	}
	stored, err := t.walk(ctx, w, best)
	if err != nil || stored == nil {
		return best, err
	}
	return stored, nil
}

const (
	walkSQL     = matchSQL + orderedSQL + " LIMIT 200"
	walkFromSQL = matchSQL + " AND updated_at <= $5 AND (updated_at < $5 OR id > $6)" + orderedSQL + " LIMIT 200"
)

// walk looks through the stored documents, newest first, for one that matches and comes before best; it is locked then.
func (t *transaction) walk(ctx context.Context, w *backends.Write, best *protocol.Document) (*protocol.Document, error) {
	s, sql := t.tx.Scope, walkSQL
	args := []any{s.Workspace, s.StoredApp(), w.Collection, containment(w.Filter)}
	for {
		rows, err := t.conn.Query(ctx, t.backend.sql(sql), args...)
		if err != nil {
			return nil, err
		}
		stored, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (f row, err error) { return f, r.Scan(f.into()...) })
		if err != nil {
			return nil, err
		}
		for i := range stored {
			doc := t.backend.document(s, w.Collection, &stored[i])
			if doc == nil || !w.Filter.Matches(doc) || t.state[protocol.Ref{Scope: s, Collection: w.Collection, ID: doc.ID}] != nil {
				continue // what is known has been looked at as it is now
			}
			if best != nil && backends.Before(best, doc) {
				return nil, nil
			}
			return doc, t.lock(ctx, w.Collection, doc)
		}
		if len(stored) < pageSize {
			return nil, nil
		}
		last := stored[len(stored)-1]
		sql, args = walkFromSQL, append(args[:4:4], *last.updated, last.id)
	}
}

// lock keeps a document that was read without. It fails with errChanged if it is another one by now.
func (t *transaction) lock(ctx context.Context, collection string, doc *protocol.Document) error {
	s := t.tx.Scope
	rows, err := t.conn.Query(ctx, t.backend.sql(listSQL+" AND id = $4 FOR UPDATE"), s.Workspace, s.StoredApp(), collection, doc.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(r.into()...); err != nil {
			return err
		}
		if now := t.know(collection, &r); now != nil && now.Rev == doc.Rev {
			return nil
		}
	}
	if rows.Err() != nil {
		return rows.Err()
	}
	return errChanged
}
