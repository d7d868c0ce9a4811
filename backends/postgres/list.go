package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// listSQL uses the index of lists, keySQL the primary key.
	listSQL = "SELECT " + columns + ` FROM @.app_data
		WHERE workspace_id || '' = $1 AND app_id || '' = $2 AND collection || '' = $3`
	keySQL = "SELECT " + columns + ` FROM @.app_data
		WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4`
	// A page goes on among the documents of one millisecond, then with earlier ones. The index can seek
	// to either. As one condition, each page would read all documents of that millisecond anew.
	sameTimeSQL = " AND updated_at = $4 AND id > $5"
	earlierSQL  = " AND updated_at < $4"
	orderedSQL  = " ORDER BY updated_at DESC, id"
	// firstFetch is the number of rows of the first fetch, before their sizes are known.
	firstFetch = 64
	// maxFetch is the largest number of rows of a fetch.
	maxFetch = 4096
)

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	p, err := driverkit.NewPageBuilder(q)
	if err != nil {
		return backends.Page{}, err
	}
	l := listing{PageBuilder: p, backend: b, scope: s, query: q}
	err = b.snapshot(ctx, "list", q.NotBefore, func(ctx context.Context, tx pgx.Tx, h head) error {
		l.Reset(h.cursor)
		if !storable(q.Collection) {
			return nil
		}
		return l.read(ctx, tx)
	})
	if err != nil {
		return backends.Page{}, err
	}
	return p.Page, nil
}

// listing is one call of List.
type listing struct {
	*driverkit.PageBuilder
	backend *Backend
	scope   protocol.Scope
	query   backends.Query
}

func (l *listing) read(ctx context.Context, tx pgx.Tx) error {
	args := []any{l.scope.Workspace, l.scope.StoredApp(), l.query.Collection}
	after := l.After()
	if after == nil {
		return l.readPart(ctx, tx, listSQL, args...)
	}
	args = append(args, after.Updated)
	err := l.readPart(ctx, tx, listSQL+sameTimeSQL, append(args, after.ID)...)
	if err != nil || l.Full {
		return err
	}
	return l.readPart(ctx, tx, listSQL+earlierSQL, args...)
}

// readPart reads the documents of a query until the page is full.
func (l *listing) readPart(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	if pattern := exactContainment(l.query.Only); pattern != "{}" {
		args = append(args, pattern)
		sql += fmt.Sprintf(" AND data @> $%d::text::jsonb", len(args))
	}
	sql = l.backend.sql(sql + orderedSQL)
	if !l.Bounded() {
		_, err := l.take(ctx, tx, sql, args...)
		return err
	}
	if _, err := tx.Exec(ctx, "DECLARE page NO SCROLL CURSOR FOR "+sql, args...); err != nil {
		return err
	}
	for n := l.firstFetch(); !l.Full; n = l.nextFetch() {
		rows, err := l.take(ctx, tx, fmt.Sprintf("FETCH %d FROM page", n), pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		if rows < n {
			break
		}
	}
	_, err := tx.Exec(ctx, "CLOSE page", pgx.QueryExecModeExec)
	return err
}

func (l *listing) firstFetch() int {
	if l.query.Limit > 0 {
		return min(l.query.Limit+1, firstFetch)
	}
	return firstFetch
}

// nextFetch estimates how many rows fill the page, by the size of the rows so far.
func (l *listing) nextFetch() int {
	n, have := maxFetch, len(l.Page.Docs)
	if l.query.MaxBytes > 0 && l.Size > 0 {
		n = (l.query.MaxBytes-l.Size)*have/l.Size + firstFetch
	}
	if l.query.Limit > 0 {
		n = min(n, l.query.Limit+1-have)
	}
	return max(1, min(n, maxFetch))
}

// take adds rows to the page until it is full, and returns the number of rows.
func (l *listing) take(ctx context.Context, tx pgx.Tx, sql string, args ...any) (n int, err error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
		var r row
		if err := rows.Scan(r.into()...); err != nil {
			return n, err
		}
		if doc := l.backend.document(l.scope, l.query.Collection, &r); doc != nil {
			l.Add(doc)
		}
	}
	return n, rows.Err()
}
