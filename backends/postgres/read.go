package postgres

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const getSQL = "SELECT " + headColumns + `, coalesce(d.id, ''), d.data::text, d.created_at, d.updated_at
	FROM (SELECT) AS one
	LEFT JOIN @.app_data AS d ON workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4`

// Get implements [backends.Backend].
func (b *Backend) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (doc *protocol.Document, at backends.Cursor, err error) {
	collection, id := r.Collection, r.ID
	if !storable(collection, id) {
		collection, id = "", "" // no document has these
	}
	err = b.read(ctx, "get", func(ctx context.Context, q querier) error {
		var token *string
		var now string
		var found row
		err := q.QueryRow(ctx, b.sql(getSQL), r.Scope.Workspace, r.Scope.StoredApp(), collection, id).
			Scan(append([]any{&token, &now}, found.into()...)...)
		if err != nil {
			return err
		}
		if at, err = cursorAt(token, now); err != nil {
			return err
		}
		if found.data != nil {
			doc = b.document(r.Scope, r.Collection, &found)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, nil, err
	case notBefore != nil && !at.Reached(notBefore):
		return nil, nil, backends.ErrCursor
	}
	return doc, at, nil
}

// storable reports whether PostgreSQL can store the names: as UTF-8 without U+0000. No stored
// document has a name that is not storable.
func storable(names ...string) bool {
	for _, name := range names {
		if !utf8.ValidString(name) || strings.Contains(name, "\x00") {
			return false
		}
	}
	return true
}

// Collections implements [backends.Backend]. Withheld documents count.
func (b *Backend) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (counts map[string]int, err error) {
	const sql = `SELECT collection, count(*) FROM @.app_data
		WHERE workspace_id = $1 AND app_id = $2 GROUP BY collection`
	err = b.snapshot(ctx, "count", notBefore, func(ctx context.Context, tx pgx.Tx, h head) error {
		counts = map[string]int{}
		rows, err := tx.Query(ctx, b.sql(sql), s.Workspace, s.StoredApp())
		if err != nil {
			return err
		}
		var name string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
			counts[name] = n
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// Usage implements [backends.Backend]. JSON in text has a space after each colon and comma, which a document
// as clients get it has not.
func (b *Backend) Usage(ctx context.Context, s protocol.Scope) (u backends.Usage, err error) {
	const sql = `SELECT count(*), coalesce(sum(octet_length(data::text)), 0)::bigint FROM @.app_data
		WHERE workspace_id = $1 AND app_id = $2`
	err = b.snapshot(ctx, "usage", nil, func(ctx context.Context, tx pgx.Tx, _ head) error {
		return tx.QueryRow(ctx, b.sql(sql), s.Workspace, s.StoredApp()).Scan(&u.Documents, &u.Bytes)
	})
	return u, err
}
