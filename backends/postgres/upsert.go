package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// maxMatches is how many candidates of a filter are read at once. If there are more, the collection
// is walked page by page, newest first.
const maxMatches = 100

// The look-up of candidates uses the index of values, whatever the planner guesses: without
// statistics it would read the whole collection. The index does not know scopes, so the hits are
// filtered afterwards. If a value has more than maxHits hits, the collection is walked instead. @>
// also finds arrays and objects that hold more: [protocol.Filter] decides what matches.
const (
	matchSQL      = listSQL + " AND data @> $4::text::jsonb"
	candidatesSQL = `WITH hit AS MATERIALIZED (SELECT workspace_id, app_id, collection, id FROM @.app_data
	WHERE data @> $4::text::jsonb LIMIT 1001)
SELECT n.hits, coalesce(d.id, ''), d.data::text, d.created_at, d.updated_at
FROM (SELECT count(*) AS hits FROM hit) AS n
LEFT JOIN LATERAL (SELECT r.* FROM hit CROSS JOIN LATERAL (SELECT * FROM @.app_data AS o
		WHERE o.workspace_id = hit.workspace_id AND o.app_id = hit.app_id
			AND o.collection = hit.collection AND o.id = hit.id LIMIT 1) AS r
	WHERE hit.workspace_id = $1 AND hit.app_id = $2 AND hit.collection = $3 LIMIT 101) AS d ON true`
	maxHits  = 1000 // the LIMIT of hits, less one
	pageSize = 200
)

// queueFilters queues the look-ups of the candidates of all upserts by filter.
func (t *transaction) queueFilters(batch *pgx.Batch) {
	for i := range t.tx.Writes {
		w := &t.tx.Writes[i]
		if !driverkit.ByFilter(w) {
			continue
		}
		pattern := containment(w.Filter)
		if pattern == "{}" { // there is nothing to look up: the collection is walked
			t.many[i] = true
			continue
		}
		args := []any{t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), w.Collection, pattern}
		batch.Queue(t.backend.sql(candidatesSQL), args...).
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
		t.many[i] = hits > maxHits || n > maxMatches
		if r.data == nil {
			continue
		}
		if doc := t.backend.document(t.tx.Scope, w.Collection, &r); doc != nil {
			t.matches[i] = append(t.matches[i], *doc)
		}
	}
	return rows.Err()
}

// containment is an object that every document which the filter matches contains, in the sense of
// @>. It leaves out paths with numbers: they may lead through an array, and @> knows no positions.
// It leaves out empty containers, which the index does not hold.
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
	// Two paths may begin with the same name, and jsonb keeps only the last member of a name.
	if f.Paths && len(parts) > 1 {
		parts = parts[:1]
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func isNumber(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
}

// newest returns the document that an upsert by filter means, nil if there is none. It may be a
// stored document or one that an earlier write of the transaction has made. A stored one is locked.
func (t *transaction) newest(ctx context.Context, i int) (*protocol.Document, error) {
	w := &t.tx.Writes[i]
	best := t.staged.Newest(t.tx, w)
	if t.many[i] {
		return t.walk(ctx, w, best)
	}
	var stored []protocol.Document
	for _, d := range t.matches[i] {
		if t.staged.Docs[protocol.Ref{Scope: t.tx.Scope, Collection: w.Collection, ID: d.ID}] == nil {
			stored = append(stored, d) // a staged one has been considered above
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

// walk reads the stored documents, newest first, until one matches that comes before best. It locks
// and returns that one, or returns best if there is none.
func (t *transaction) walk(
	ctx context.Context, w *backends.Write, best *protocol.Document,
) (*protocol.Document, error) {
	s, sql := t.tx.Scope, walkSQL
	args := []any{s.Workspace, s.StoredApp(), w.Collection, containment(w.Filter)}
	for {
		rows, err := t.conn.Query(ctx, t.backend.sql(sql), args...)
		if err != nil {
			return nil, err
		}
		stored, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (f row, err error) {
			return f, r.Scan(f.into()...)
		})
		if err != nil {
			return nil, err
		}
		for i := range stored {
			doc := t.backend.document(s, w.Collection, &stored[i])
			if doc == nil || !w.Filter.Matches(doc) {
				continue
			}
			if t.staged.Docs[protocol.Ref{Scope: s, Collection: w.Collection, ID: doc.ID}] != nil {
				continue // best considers staged documents
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

// lock locks a document that was read without a lock. It fails with errChanged if the document has
// changed.
func (t *transaction) lock(ctx context.Context, collection string, doc *protocol.Document) error {
	s := t.tx.Scope
	sql := t.backend.sql(keySQL + " FOR UPDATE")
	rows, err := t.conn.Query(ctx, sql, s.Workspace, s.StoredApp(), collection, doc.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(r.into()...); err != nil {
			return err
		}
		if now := t.load(collection, &r); now != nil && now.Rev == doc.Rev {
			return nil
		}
	}
	if rows.Err() != nil {
		return rows.Err()
	}
	return errChanged
}
