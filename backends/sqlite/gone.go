package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Gone implements [backends.Backend].
func (b *Backend) Gone(ctx context.Context, s protocol.Scope, from backends.Cursor, max int) (gone []protocol.Ref, at backends.Cursor, err error) {
	err = b.snapshot(ctx, "read what is gone", func(ctx context.Context, c *conn) error {
		since, err := b.begin(ctx, c, from)
		if err != nil {
			return err
		}
		if at, err = b.newest(ctx, c); err != nil {
			return err
		}
		return c.each(ctx, longSinceSQL, []any{s.Workspace, s.StoredApp(), since}, func(row []driver.Value) error {
			change, ok := b.change(row)
			if !ok || change.Op != backends.Delete {
				return nil
			}
			if len(gone) == max {
				return backends.ErrTooBig
			}
			gone = append(gone, change.Ref)
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return gone, at, nil
}

// begin is the number of the log's row that a cursor stands for, or where the log begins.
func (b *Backend) begin(ctx context.Context, c *conn, from backends.Cursor) (seq int64, err error) {
	if from == nil {
		_, err = c.one(ctx, "SELECT floor_seq FROM app_data_meta", nil, &seq)
		return seq, err
	}
	at, err := b.resumable(ctx, c, from)
	return at.seq, err
}
