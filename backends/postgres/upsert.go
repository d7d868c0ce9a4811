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

// maxMatches is how many documents that may match a filter are looked at together. Of more, the newest are
// looked through one page after the other.
const maxMatches = 100

// The prefilter goes by the index of values, whatever the planner's guess: without statistics it would read the whole
// collection. The index knows no scopes, so what it finds is narrowed down afterwards; of a value that is everywhere no
// more than someHits are looked at, and the collection is walked instead. @> also finds arrays and objects that hold
// more: what matches is decided by [protocol.Filter].
const (
	matchSQL = listSQL + " AND data @> $4::text::jsonb"
	someSQL  = `WITH hit AS MATERIALIZED (SELECT workspace_id, app_id, collection, id FROM @.app_data WHERE data @> $4::text::jsonb LIMIT 1001)
SELECT n.hits, coalesce(d.id, ''), d.data::text, d.created_at, d.updated_at FROM (SELECT count(*) AS hits FROM hit) AS n
LEFT JOIN LATERAL (SELECT r.* FROM hit CROSS JOIN LATERAL (SELECT * FROM @.app_data AS o
		WHERE o.workspace_id = hit.workspace_id AND o.app_id = hit.app_id AND o.collection = hit.collection AND o.id = hit.id LIMIT 1) AS r
	WHERE hit.workspace_id = $1 AND hit.app_id = $2 AND hit.collection = $3 LIMIT 101) AS d ON true`
	someHits = 1000 // the LIMIT of hits, less one
	pageSize = 200
	// Without seqscan every plan that has one after all is as costly as can be, which is what PostgreSQL compiles plans
	// for: that took each upsert a tenth of a second.
	steerSQL = quietSQL + ", set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
)

// queueFilters asks for the documents that filters may mean.
func (t *transaction) queueFilters(batch *pgx.Batch) {
	for i := range t.tx.Writes {
		w := &t.tx.Writes[i]
		if !byFilter(w) {
			continue
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
		var hits int
		var r row
		if err := rows.Scan(append([]any{&hits}, r.into()...)...); err != nil {
			return err
		}
		t.many[i] = hits > someHits || n > maxMatches
		if r.data == nil {
			continue
		}
		if doc := t.backend.document(t.tx.Scope, w.Collection, &r); doc != nil {
			t.matches[i] = append(t.matches[i], *doc)
		}
	}
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

// newest is the document that an upsert by filter means: of what is stored and what the writes before it have made. What
// was only read is locked once it is chosen.
func (t *transaction) newest(ctx context.Context, i int) (*protocol.Document, error) {
	w := &t.tx.Writes[i]
	var known []protocol.Document
	for r, s := range t.state {
		if r.Collection == w.Collection && s.doc != nil {
			known = append(known, *s.doc)
		}
	}
	best := backends.Newest(*w.Filter, known)
	if t.many[i] {
		return t.walk(ctx, w, best)
	}
	var stored []protocol.Document
	for _, d := range t.matches[i] {
		if t.state[protocol.Ref{Scope: t.tx.Scope, Collection: w.Collection, ID: d.ID}] == nil { // else it has been looked at as it is now
			stored = append(stored, d)
		}
	}
	found := backends.Newest(*w.Filter, stored)
	if found == nil || best != nil && backends.Before(best, found) {
		return best, nil
	}
	return found, t.lock(ctx, w.Collection, found)
}

const (
	walkSQL     = matchSQL + orderedSQL + " LIMIT 200"
	walkFromSQL = matchSQL + " AND updated_at <= $5 AND (updated_at < $5 OR id > $6)" + orderedSQL + " LIMIT 200"
)

// walk looks through the stored documents, newest first, for one that matches and comes before best; it is locked then.
// It is best where there is none.
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
				return best, nil
			}
			return doc, t.lock(ctx, w.Collection, doc)
		}
		if len(stored) < pageSize {
			return best, nil
		}
		last := stored[len(stored)-1]
		sql, args = walkFromSQL, append(args[:4:4], *last.updated, last.id)
	}
}

// lock keeps a document that was read without. It fails with errChanged if it is another one by now.
func (t *transaction) lock(ctx context.Context, collection string, doc *protocol.Document) error {
	s := t.tx.Scope
	rows, err := t.conn.Query(ctx, t.backend.sql(keySQL+" FOR UPDATE"), s.Workspace, s.StoredApp(), collection, doc.ID)
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
