package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

const (
	listAllSQL  = "SELECT " + columns + " FROM app_data WHERE workspace_id = ? AND app_id = ? AND collection = ?"
	listPageSQL = listAllSQL + " ORDER BY updated_at DESC, id"
	// The index can seek to the first comparison. The second one excludes documents of that
	// millisecond which belong to earlier pages.
	listAfterSQL = listAllSQL +
		" AND updated_at <= ? AND (updated_at < ? OR id > ?) ORDER BY updated_at DESC, id"
)

// List implements [backends.Backend].
func (b *Backend) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	p, err := driverkit.NewPageBuilder(q)
	if err != nil {
		return backends.Page{}, err
	}
	err = b.snapshot(ctx, "list", func(ctx context.Context, c *conn) error {
		if p.Page.Cursor, err = b.reached(c, q.NotBefore); err != nil {
			return err
		}
		if p.After() == nil && !p.Bounded() {
			return b.listAll(ctx, c, s, q.Collection, &p.Page)
		}
		return b.listPage(ctx, c, s, q.Collection, p)
	})
	if err != nil {
		return backends.Page{}, err
	}
	return p.Page, nil
}

// listAll reads in the order of the primary key, which is the order of the rows in the file, and
// sorts here. The index of lists would look up each row separately.
func (b *Backend) listAll(
	ctx context.Context, c *conn, s protocol.Scope, collection string, page *backends.Page,
) error {
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
	slices.SortFunc(docs, driverkit.Compare)
	page.Docs = make([]protocol.Document, len(docs))
	for i, doc := range docs {
		page.Docs[i] = *doc
	}
	return nil
}

// listPage reads by the index of lists and stops as soon as the page is full.
func (b *Backend) listPage(
	ctx context.Context, c *conn, s protocol.Scope, collection string, p *driverkit.PageBuilder,
) error {
	sql, args := listPageSQL, []any{s.Workspace, s.StoredApp(), collection}
	if after := p.After(); after != nil {
		ms := after.Updated.UnixMilli()
		sql, args = listAfterSQL, append(args, ms, ms, after.ID)
	}
	return c.each(ctx, sql, args, func(row []driver.Value) error {
		if doc := b.document(s, collection, row); doc != nil {
			p.Add(doc)
		}
		if p.Full {
			return errEnough
		}
		return nil
	})
}
