package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// Other upserts wait for the locks of a transaction. So it reads at most maxRecent documents of a
// collection for a filter that the index of values does not serve. If those do not tell, it is
// rolled back. Its caller searches the collection without locks, in one snapshot, and tries again.
// The transaction then only follows the log from that snapshot.

const (
	// maxSearching is how many searches of collections run at once.
	maxSearching = 2
	// maxFollowed is how many rows of the log a transaction reads after a search.
	maxFollowed = 20_000
	// pageSize is how many documents a search reads at once.
	pageSize = 200
)

// search is what a caller has found in one snapshot for the upserts of a transaction.
type search struct {
	at    cursor
	found *protocol.Document // the newest match; nil: none
}

const (
	// recentSQL reads candidates among the newest documents, and the last one of those.
	maxRecent = 1000
	recentSQL = `WITH recent AS MATERIALIZED (` + listSQL + orderedSQL + ` LIMIT 1000)
SELECT r.n, l.id, l.updated_at, coalesce(d.id, ''), d.data, d.created_at, d.updated_at
FROM (SELECT count(*) AS n FROM recent) AS r
CROSS JOIN LATERAL (SELECT * FROM recent ORDER BY updated_at, id DESC LIMIT 1) AS l
LEFT JOIN LATERAL (SELECT * FROM recent WHERE data::jsonb @> $4::text::jsonb) AS d ON true`
)

// recent returns the document that an upsert means if it is among the newest ones.
func (t *transaction) recent(ctx context.Context, w *backends.Write) (*protocol.Document, error) {
	s := t.tx.Scope
	rows, err := t.conn.Query(ctx, t.backend.sql(recentSQL),
		s.Workspace, s.StoredApp(), w.Collection, containment(w.Filter))
	if err != nil {
		return nil, err
	}
	var n int
	var stored []protocol.Document
	var last protocol.Document
	var r row
	_, err = pgx.ForEachRow(rows, append([]any{&n, &last.ID, &last.Updated}, r.into()...), func() error {
		if r.data != nil {
			if doc := t.backend.document(s, w.Collection, &r); doc != nil {
				stored = append(stored, *doc)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n < maxRecent {
		return t.choose(ctx, w, stored, nil)
	}
	return t.choose(ctx, w, stored, &last)
}

// searchFor finds the documents that all upserts by filter of a transaction mean, in one snapshot. It
// searches the collection for those that the index of values does not serve.
func (b *Backend) searchFor(ctx context.Context, tx *backends.Tx) (map[*backends.Write]*search, error) {
	select {
	case b.searching <- struct{}{}:
		defer func() { <-b.searching }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	searches := map[*backends.Write]*search{}
	err := b.snapshot(ctx, "search a collection", nil, func(ctx context.Context, q pgx.Tx, h head) error {
		t := transaction{backend: b, tx: tx, matches: map[int][]protocol.Document{}, many: map[int]bool{}}
		batch := &pgx.Batch{}
		batch.Queue(upsertSettings)
		t.queueFilters(batch)
		if err := q.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		for i := range tx.Writes {
			w := &tx.Writes[i]
			if !driverkit.ByFilter(w) {
				continue
			}
			found := backends.Newest(*w.Filter, t.matches[i])
			if t.many[i] {
				var err error
				if found, err = b.search(ctx, q, tx.Scope, w); err != nil {
					return err
				}
			}
			searches[w] = &search{h.cursor, found}
		}
		return nil
	})
	return searches, err
}

const (
	// matchSQL leaves out documents that the filter does not match, as far as the server can tell.
	matchSQL = listSQL + ` AND data @> $4::text::jsonb AND NOT EXISTS (
		SELECT FROM unnest($5::text[], $6::text[]) AS c (name, value)
		WHERE data -> c.name IS DISTINCT FROM c.value::jsonb)`
	searchSQL      = matchSQL + orderedSQL + " LIMIT 200"
	searchSameSQL  = matchSQL + " AND updated_at = $7 AND id > $8" + orderedSQL + " LIMIT 200"
	searchAfterSQL = matchSQL + " AND updated_at < $7" + orderedSQL + " LIMIT 200"
)

// search reads the documents of a collection, newest first, until one matches.
func (b *Backend) search(
	ctx context.Context, q pgx.Tx, s protocol.Scope, w *backends.Write,
) (*protocol.Document, error) {
	args := []any{s.Workspace, s.StoredApp(), w.Collection, containment(w.Filter)}
	args = append(args, equalities(w.Filter)...)
	sql, more := searchSQL, args
	for {
		rows, err := q.Query(ctx, b.sql(sql), more...)
		if err != nil {
			return nil, err
		}
		page, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (f row, err error) {
			return f, r.Scan(f.into()...)
		})
		if err != nil {
			return nil, err
		}
		for i := range page {
			if doc := b.document(s, w.Collection, &page[i]); doc != nil && w.Filter.Matches(doc) {
				return doc, nil
			}
		}
		switch {
		case len(page) == pageSize:
			last := page[pageSize-1]
			sql, more = searchSameSQL, append(args[:6:6], *last.updated, last.id)
		case sql == searchSameSQL:
			sql, more = searchAfterSQL, more[:7]
		default:
			return nil, nil
		}
	}
}

// equalities are the parameters of matchSQL that name the members of a filter. Paths are left to
// [protocol.Filter].
func equalities(f *protocol.Filter) []any {
	names, values := []string{}, []string{}
	for _, c := range f.Conditions {
		if !f.Paths {
			names, values = append(names, c.Field), append(values, string(c.Value))
		}
	}
	return []any{names, values}
}

// followSQL reads the documents that the log names since a snapshot. Without a document, only its
// id counts.
const followSQL = `WITH logged AS MATERIALIZED (
	SELECT c.collection, c.id, c.op FROM @.app_data_changes AS c
	WHERE (c.xid >= $1::text::xid8 OR c.xid = ANY($2::text[]::xid8[]))
		AND c.workspace_id IN ($3, '') AND c.app_id IN ($4, '') LIMIT 20001
), named AS (SELECT DISTINCT id, op = 'truncate' AS truncated FROM logged WHERE collection IN ($5, ''))
SELECT l.rows, coalesce(n.truncated, false), coalesce(n.id, ''), d.data::text, d.created_at, d.updated_at
FROM (SELECT count(*) AS rows FROM logged) AS l LEFT JOIN named AS n ON true
LEFT JOIN LATERAL (SELECT * FROM @.app_data AS o WHERE o.workspace_id = $3 AND o.app_id = $4
	AND o.collection = $5 AND o.id = n.id AND o.data @> $6::text::jsonb LIMIT 1) AS d ON true`

// searched returns the document that an upsert means, from what its caller has found and what has
// changed since.
func (t *transaction) searched(ctx context.Context, w *backends.Write) (*protocol.Document, error) {
	found := t.searches[w]
	args := append(found.at.snapshot.after(), t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), w.Collection,
		containment(w.Filter))
	rows, err := t.conn.Query(ctx, t.backend.sql(followSQL), args...)
	if err != nil {
		return nil, err
	}
	var stored []protocol.Document
	var truncated, lost bool
	var n int
	var r row
	stays := found.found != nil
	_, err = pgx.ForEachRow(rows, append([]any{&n, &truncated}, r.into()...), func() error {
		lost = lost || truncated
		stays = stays && r.id != found.found.ID
		if r.data != nil {
			if doc := t.backend.document(t.tx.Scope, w.Collection, &r); doc != nil {
				stored = append(stored, *doc)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h, err := t.backend.head(ctx, t.conn) // after the log has been read, which may be cleaned
	if err != nil {
		return nil, err
	}
	if _, err := h.resumable(found.at); err != nil || lost || n > maxFollowed {
		return nil, driverkit.ErrSearchFirst
	}
	if stays {
		stored = append(stored, *found.found)
	}
	return t.choose(ctx, w, stored, found.found)
}
