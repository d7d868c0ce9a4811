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

// maxMatches is how many candidates of a filter are read at once. If there are more, the newest
// documents of the collection are read, which hold the one that is meant if very many match.
const maxMatches = 100

// The look-up of candidates uses the index of values, whatever the planner guesses: without
// statistics it would read the whole collection. The index does not know scopes, so the hits are
// filtered afterwards. If a value has more than maxHits hits, the look-up does not help. @> also
// finds arrays and objects that hold more: [protocol.Filter] decides what matches.
const (
	candidatesSQL = `WITH hit AS MATERIALIZED (SELECT workspace_id, app_id, collection, id FROM @.app_data
	WHERE data @> $4::text::jsonb LIMIT 1001)
SELECT n.hits, coalesce(d.id, ''), d.data::text, d.created_at, d.updated_at
FROM (SELECT count(*) AS hits FROM hit) AS n
LEFT JOIN LATERAL (SELECT r.* FROM hit CROSS JOIN LATERAL (SELECT * FROM @.app_data AS o
		WHERE o.workspace_id = hit.workspace_id AND o.app_id = hit.app_id
			AND o.collection = hit.collection AND o.id = hit.id LIMIT 1) AS r
	WHERE hit.workspace_id = $1 AND hit.app_id = $2 AND hit.collection = $3 LIMIT 101) AS d ON true`
	maxHits = 1000 // the LIMIT of hits, less one
)

// queueFilters queues the look-ups of the candidates of all upserts by filter.
func (t *transaction) queueFilters(batch *pgx.Batch) {
	for i := range t.tx.Writes {
		w := &t.tx.Writes[i]
		if !driverkit.ByFilter(w) {
			continue
		}
		pattern := containment(w.Filter)
		if t.searches[w] != nil || !t.backend.rare(pattern) {
			t.many[i] = true
			continue
		}
		args := []any{t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), w.Collection, pattern}
		batch.Queue(t.backend.sql(candidatesSQL), args...).
			Query(func(rows pgx.Rows) error { return t.takeMatches(i, w, rows) })
	}
}

// rare reports whether the index of values may serve a pattern.
func (b *Backend) rare(pattern string) bool { return pattern != "{}" && !b.common.has(pattern) }

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
		if hits > maxHits {
			t.backend.common.note(containment(w.Filter))
		}
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

// exactContainment is containment by texts, true and false alone. Other programs may store a number
// that is another one to the server than to clients, who see it as a double.
func exactContainment(f *protocol.Filter) string {
	if f == nil {
		return "{}"
	}
	exact := protocol.Filter{Paths: f.Paths}
	for _, c := range f.Conditions {
		if c.Value[0] == '"' || c.Value[0] == 't' || c.Value[0] == 'f' {
			exact.Conditions = append(exact.Conditions, c)
		}
	}
	return containment(&exact)
}

func isNumber(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
}

// newest returns the document that an upsert by filter means, nil if there is none. It may be a
// stored document or one that an earlier write of the transaction has made. A stored one is locked.
func (t *transaction) newest(ctx context.Context, i int) (*protocol.Document, error) {
	w := &t.tx.Writes[i]
	switch {
	case t.searches[w] != nil:
		return t.searched(ctx, w)
	case t.many[i]:
		return t.recent(ctx, w)
	}
	return t.choose(ctx, w, t.matches[i], nil)
}

// choose returns the newest document that the filter matches, of the stored ones and of those that
// earlier writes have left. Nothing is known of stored documents that come after passed (nil: all
// are known).
func (t *transaction) choose(
	ctx context.Context, w *backends.Write, stored []protocol.Document, passed *protocol.Document,
) (*protocol.Document, error) {
	best := t.staged.Newest(t.tx, w)
	var unstaged []protocol.Document
	for _, d := range stored {
		if t.staged.Docs[protocol.Ref{Scope: t.tx.Scope, Collection: w.Collection, ID: d.ID}] == nil {
			unstaged = append(unstaged, d)
		}
	}
	found := backends.Newest(*w.Filter, unstaged)
	if found != nil && (best == nil || !backends.Before(best, found)) {
		best = found
	}
	if passed != nil && (best == nil || backends.Before(passed, best)) {
		return nil, driverkit.ErrSearchFirst
	}
	if best == nil || best != found {
		return best, nil
	}
	return found, t.lock(ctx, w.Collection, found)
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
