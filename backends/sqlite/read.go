package sqlite

import (
	"context"
	"database/sql/driver"
	"unicode/utf8"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	getSQL = "SELECT " + columns + ` FROM app_data
		WHERE workspace_id = ? AND app_id = ? AND collection = ? AND id = ?`
	// getAtSQL also reads the position of the snapshot. One statement costs half as much as a
	// transaction of two.
	getAtSQL = "SELECT c.seq, c.tag, " + columns + `
		FROM (SELECT seq, tag FROM app_data_changes ORDER BY seq DESC LIMIT 1) AS c
		LEFT JOIN app_data AS d ON d.workspace_id = ? AND d.app_id = ? AND d.collection = ? AND d.id = ?`
)

// Get implements [backends.Backend].
func (b *Backend) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (doc *protocol.Document, at backends.Cursor, err error) {
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

// get reads one document on a connection. exists is true for a withheld document too.
func (b *Backend) get(c *conn, r protocol.Ref) (doc *protocol.Document, exists bool, err error) {
	args := []any{r.Scope.Workspace, r.Scope.StoredApp(), r.Collection, r.ID}
	err = c.each(context.Background(), getSQL, args, func(row []driver.Value) error {
		doc, exists = b.document(r.Scope, r.Collection, row), true
		return errEnough
	})
	return doc, exists, err
}

// Collections implements [backends.Backend]. Withheld documents count: to find them, all data would
// have to be read.
func (b *Backend) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (map[string]int, error) {
	counts := map[string]int{}
	const sql = `SELECT collection, count(*) FROM app_data INDEXED BY app_data_by_time
		WHERE workspace_id = ? AND app_id = ? GROUP BY collection`
	err := b.snapshot(ctx, "count", func(ctx context.Context, c *conn) error {
		if _, err := b.reached(c, notBefore); err != nil {
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

// Usage implements [backends.Backend].
func (b *Backend) Usage(ctx context.Context, s protocol.Scope) (u backends.Usage, err error) {
	const sql = `SELECT count(*), coalesce(sum(octet_length(data)), 0) FROM app_data
		WHERE workspace_id = ? AND app_id = ?`
	err = b.snapshot(ctx, "usage", func(ctx context.Context, c *conn) error {
		return c.each(ctx, sql, []any{s.Workspace, s.StoredApp()}, func(row []driver.Value) error {
			var n int64
			err := scan(row, &n, &u.Bytes)
			u.Documents = int(n)
			return err
		})
	})
	return u, err
}
