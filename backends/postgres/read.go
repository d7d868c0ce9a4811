package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// read runs f on a connection that nobody else uses meanwhile. Where the database has lost its epoch a new one is begun,
// and f runs again.
func (b *Backend) read(ctx context.Context, doing string, f func(context.Context, querier) error) error {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	once := func() error {
		conn, err := b.pool.Acquire(inner)
		if err != nil {
			return err
		}
		defer conn.Release()
		return f(inner, conn.Conn())
	}
	err = once()
	if errors.Is(err, errNoEpoch) {
		if err = b.begin(inner); err == nil {
			err = once()
		}
	}
	return b.explain(ctx, doing, err)
}

// explain is translate for calls that Close may have ended.
func (b *Backend) explain(ctx context.Context, doing string, err error) error {
	if err != nil && ctx.Err() == nil && b.ctx.Err() != nil {
		return errClosed
	}
	return translate(ctx, doing, err)
}

// snapshot is read in one transaction that sees one snapshot, whose head f is given. It fails with ErrCursor unless that has Reached
// notBefore (nil: any will do).
func (b *Backend) snapshot(ctx context.Context, doing string, notBefore backends.Cursor, f func(context.Context, pgx.Tx, head) error) error {
	return b.read(ctx, doing, func(ctx context.Context, q querier) error {
		options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		return pgx.BeginTxFunc(ctx, q.(*pgx.Conn), options, func(tx pgx.Tx) error {
			h, err := b.head(ctx, tx)
			switch {
			case err != nil:
				return err
			case notBefore != nil && !h.Reached(notBefore):
				return backends.ErrCursor
			}
			return f(ctx, tx, h)
		})
	})
}

const getSQL = "SELECT " + headColumns + ", coalesce(d.id, ''), d.data::text, d.created_at, d.updated_at FROM (SELECT) AS one LEFT JOIN @.app_data AS d ON workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4"

// Get implements [backends.Backend].
func (b *Backend) Get(ctx context.Context, r protocol.Ref, notBefore backends.Cursor) (doc *protocol.Document, at backends.Cursor, err error) {
	collection, id := r.Collection, r.ID
	if !storable(collection, id) {
		collection, id = "", "" // which no document has
	}
	err = b.read(ctx, "get", func(ctx context.Context, q querier) error {
		var token *string
		var now string
		var found row
		err := q.QueryRow(ctx, b.sql(getSQL), r.Scope.Workspace, r.Scope.StoredApp(), collection, id).Scan(append([]any{&token, &now}, found.into()...)...)
		if err != nil {
			return err
		}
		if at, err = b.cursorAt(token, now); err != nil {
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

// storable: text is UTF-8 without U+0000, so nothing that is there has another name.
func storable(names ...string) bool {
	for _, name := range names {
		if !utf8.ValidString(name) || strings.Contains(name, "\x00") {
			return false
		}
	}
	return true
}

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (page backends.Page, err error) {
	l := listing{b: b, scope: s, query: q}
	if q.After != "" {
		after, err := backends.ParsePosition(q.After)
		if err != nil {
			return page, err
		}
		l.after = &after
	}
	err = b.snapshot(ctx, "list", q.NotBefore, func(ctx context.Context, tx pgx.Tx, h head) error {
		page = backends.Page{Cursor: h.cursor}
		if !storable(q.Collection) {
			return nil
		}
		return l.read(ctx, tx, &page)
	})
	if err != nil {
		return backends.Page{}, err
	}
	return page, nil
}

// listing is one List.
type listing struct {
	b     *Backend
	scope protocol.Scope
	query backends.Query
	after *backends.Position
	size  int
	full  bool
}

const (
	// listSQL goes by the index of lists, keySQL by the primary key.
	listSQL = "SELECT " + columns + " FROM @.app_data WHERE workspace_id || '' = $1 AND app_id || '' = $2 AND collection || '' = $3"
	keySQL  = "SELECT " + columns + " FROM @.app_data WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4"
	// The first comparison is what the index can seek to, the second excludes the documents of its millisecond.
	afterSQL   = " AND updated_at <= $4 AND (updated_at < $4 OR id > $5)"
	orderedSQL = " ORDER BY updated_at DESC, id"
	// firstFetch is how many rows are asked for before anything is known of their size, maxFetch how many at most.
	firstFetch = 64
	maxFetch   = 4096
)

func (l *listing) read(ctx context.Context, tx pgx.Tx, page *backends.Page) error {
	sql, args := listSQL, []any{l.scope.Workspace, l.scope.StoredApp(), l.query.Collection}
	if l.after != nil {
		sql, args = sql+afterSQL, append(args, l.after.Updated, l.after.ID)
	}
	sql += orderedSQL
	if l.query.MaxBytes <= 0 && l.query.Limit <= 0 {
		_, err := l.take(ctx, tx, page, l.b.sql(sql), args...)
		return err
	}
	if _, err := tx.Exec(ctx, "DECLARE page NO SCROLL CURSOR FOR "+l.b.sql(sql), args...); err != nil {
		return err
	}
	for n := l.first(); !l.full; n = l.more(page) {
		rows, err := l.take(ctx, tx, page, fmt.Sprintf("FETCH %d FROM page", n), pgx.QueryExecModeExec)
		if err != nil || rows < n {
			return err
		}
	}
	return nil
}

func (l *listing) first() int {
	if l.query.Limit > 0 {
		return min(l.query.Limit+1, firstFetch)
	}
	return firstFetch
}

// more is about how many rows fill the page, by the size of those that have come.
func (l *listing) more(page *backends.Page) int {
	n := maxFetch
	if have := len(page.Docs); l.query.MaxBytes > 0 && l.size > 0 {
		n = (l.query.MaxBytes-l.size)*have/l.size + firstFetch
	}
	if l.query.Limit > 0 {
		n = min(n, l.query.Limit+1-len(page.Docs))
	}
	return max(1, min(n, maxFetch))
}

// take adds rows to the page until it is full, and tells how many there were.
func (l *listing) take(ctx context.Context, tx pgx.Tx, page *backends.Page, sql string, args ...any) (n int, err error) {
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
		if doc := l.b.document(l.scope, l.query.Collection, &r); doc != nil && !l.full {
			l.add(page, doc)
		}
	}
	return n, rows.Err()
}

func (l *listing) add(page *backends.Page, doc *protocol.Document) {
	q, have := l.query, len(page.Docs)
	l.size += len(doc.Data)
	if have > 0 && (q.Limit > 0 && have >= q.Limit || q.MaxBytes > 0 && l.size > q.MaxBytes) {
		last := page.Docs[have-1]
		page.Next, l.full = backends.Position{Updated: last.Updated, ID: last.ID}.String(), true
		return
	}
	page.Docs = append(page.Docs, *doc)
}

// Collections implements [backends.Backend]. Documents that are withheld count.
func (b *Backend) Collections(ctx context.Context, s protocol.Scope, notBefore backends.Cursor) (counts map[string]int, err error) {
	err = b.snapshot(ctx, "count", notBefore, func(ctx context.Context, tx pgx.Tx, h head) error {
		counts = map[string]int{}
		rows, err := tx.Query(ctx, b.sql("SELECT collection, count(*) FROM @.app_data WHERE workspace_id = $1 AND app_id = $2 GROUP BY collection"), s.Workspace, s.StoredApp())
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
