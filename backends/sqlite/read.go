package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"
	"unicode/utf8"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const getSQL = "SELECT " + columns + " FROM app_data WHERE workspace_id = ? AND app_id = ? AND collection = ? AND id = ?"

// getAtSQL is getSQL and where its snapshot ends, in one statement: half the cost of a transaction of two.
const getAtSQL = "SELECT c.seq, c.tag, " + columns + ` FROM (SELECT seq, tag FROM app_data_changes ORDER BY seq DESC LIMIT 1) AS c
	LEFT JOIN app_data AS d ON d.workspace_id = ? AND d.app_id = ? AND d.collection = ? AND d.id = ?`

// Get implements [backends.Backend].
func (b *Backend) Get(ctx context.Context, r protocol.Ref, notBefore backends.Cursor) (doc *protocol.Document, at backends.Cursor, err error) {
	args := []any{r.Scope.Workspace, r.Scope.StoredApp(), r.Collection, r.ID}
	err = b.read(ctx, "get", func(ctx context.Context, c *conn) error {
		return c.each(context.Background(), getAtSQL, args, func(row []driver.Value) error {
			if at, err = b.position(row); err != nil {
				return err
			}
			if row[2] != nil {
				doc = b.document(r.Scope, r.Collection, row[2:])
			}
			return errEnough
		})
	})
	switch {
	case err != nil:
		return nil, nil, err
	case at == nil:
		return nil, nil, translate(ctx, "get", errNoLog)
	case notBefore != nil && !at.Reached(notBefore):
		return nil, nil, backends.ErrCursor
	}
	return doc, at, nil
}

// get reads one document; exists is true for a withheld one too.
func (b *Backend) get(c *conn, r protocol.Ref) (doc *protocol.Document, exists bool, err error) {
	args := []any{r.Scope.Workspace, r.Scope.StoredApp(), r.Collection, r.ID}
	err = c.each(context.Background(), getSQL, args, func(row []driver.Value) error {
		doc, exists = b.document(r.Scope, r.Collection, row), true
		return errEnough
	})
	return doc, exists, err
}

// reached is the snapshot's cursor. SQLite's readers see every commit at once, so only a file that was replaced
// underneath can be behind notBefore.
func (b *Backend) reached(ctx context.Context, c *conn, notBefore backends.Cursor) (backends.Cursor, error) {
	at, err := b.newest(context.Background(), c)
	if err != nil {
		return nil, err
	}
	if notBefore != nil && !at.Reached(notBefore) {
		return nil, backends.ErrCursor
	}
	return at, nil
}

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (page backends.Page, err error) {
	var after *backends.Position
	if q.After != "" {
		p, err := backends.ParsePosition(q.After)
		if err != nil {
			return page, err
		}
		after = &p
	}
	err = b.snapshot(ctx, "list", func(ctx context.Context, c *conn) error {
		if page.Cursor, err = b.reached(ctx, c, q.NotBefore); err != nil {
			return err
		}
		if after == nil && q.Limit <= 0 && q.MaxBytes <= 0 {
			return b.listAll(ctx, c, s, q.Collection, &page)
		}
		return b.listPage(ctx, c, s, q, after, &page)
	})
	if err != nil {
		return backends.Page{}, err
	}
	return page, nil
}

const listAllSQL = "SELECT " + columns + " FROM app_data WHERE workspace_id = ? AND app_id = ? AND collection = ?"

// listAll reads in key order, in which the rows lie, and sorts here: the index would fetch each row separately.
func (b *Backend) listAll(ctx context.Context, c *conn, s protocol.Scope, collection string, page *backends.Page) error {
	var docs []*protocol.Document
	args := []any{s.Workspace, s.StoredApp(), collection}
	err := c.each(ctx, listAllSQL, args, func(row []driver.Value) error {
		if doc := b.document(s, collection, row); doc != nil {
			docs = append(docs, doc)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(docs, order)
	page.Docs = make([]protocol.Document, len(docs))
	for i, doc := range docs {
		page.Docs[i] = *doc
	}
	return nil
}

// order is backends.Before as a comparison.
func order(a, b *protocol.Document) int {
	switch {
	case backends.Before(a, b):
		return -1
	case backends.Before(b, a):
		return 1
	}
	return 0
}

const (
	listPageSQL = listAllSQL + " ORDER BY updated_at DESC, id"
	// The first comparison is what the index can seek to, the second excludes the documents of its millisecond.
	listAfterSQL = listAllSQL + " AND updated_at <= ? AND (updated_at < ? OR id > ?) ORDER BY updated_at DESC, id"
)

// listPage walks the index of the list's order and stops as soon as the page is full.
func (b *Backend) listPage(ctx context.Context, c *conn, s protocol.Scope, q backends.Query, after *backends.Position, page *backends.Page) error {
	sql, args := listPageSQL, []any{s.Workspace, s.StoredApp(), q.Collection}
	if after != nil {
		ms := after.Updated.UnixMilli()
		sql, args = listAfterSQL, append(args, ms, ms, after.ID)
	}
	size := 0
	return c.each(ctx, sql, args, func(row []driver.Value) error {
		doc := b.document(s, q.Collection, row)
		if doc == nil {
			return nil
		}
		size += len(doc.Data)
		n := len(page.Docs)
		if n > 0 && (q.Limit > 0 && n >= q.Limit || q.MaxBytes > 0 && size > q.MaxBytes) {
			last := page.Docs[n-1]
			page.Next = backends.Position{Updated: last.Updated, ID: last.ID}.String()
			return errEnough
		}
		page.Docs = append(page.Docs, *doc)
		return nil
	})
}

// Collections implements [backends.Backend]. Documents that are withheld count: finding them would mean
// reading all data.
func (b *Backend) Collections(ctx context.Context, s protocol.Scope, notBefore backends.Cursor) (map[string]int, error) {
	counts := map[string]int{}
	const sql = "SELECT collection, count(*) FROM app_data INDEXED BY app_data_by_time WHERE workspace_id = ? AND app_id = ? GROUP BY collection"
	err := b.snapshot(ctx, "count", func(ctx context.Context, c *conn) error {
		if _, err := b.reached(ctx, c, notBefore); err != nil {
			return err
		}
		return c.each(ctx, sql, []any{s.Workspace, s.StoredApp()}, func(row []driver.Value) error {
			var name string
			var n int64
			if err := scan(row, &name, &n); err != nil {
				return err
			}
			if utf8.ValidString(name) {
				counts[name] = int(n)
			}
			return nil
		})
	})
	return counts, err
}
