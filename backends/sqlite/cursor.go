package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/binary"

	"github.com/secondgate/secondgate/backends"
)

// kind is the first byte of this backend's cursors.
const kind = 's'

// cursor is the snapshot that ends with one row of the log. After a backup is restored, another row
// gets the same seq; its tag differs.
type cursor struct {
	database [8]byte
	seq      int64
	tag      [4]byte
}

var _ backends.Cursor = cursor{}

func (c cursor) Reached(other backends.Cursor) bool {
	o, ok := other.(cursor)
	return ok && o.database == c.database && o.seq <= c.seq
}

func (c cursor) Covers(change backends.Change) bool {
	seq, ok := change.Commit.(int64)
	return ok && seq <= c.seq
}

func (c cursor) Append(dst []byte) []byte {
	dst = append(dst, kind)
	dst = append(dst, c.database[:]...)
	dst = binary.AppendUvarint(dst, uint64(c.seq))
	return append(dst, c.tag[:]...)
}

// parseCursor reads what Append wrote. Only the database knows whether it can be resumed.
func parseCursor(raw []byte) (c cursor, ok bool) {
	if len(raw) < 14 || raw[0] != kind {
		return c, false
	}
	copy(c.database[:], raw[1:])
	seq, n := binary.Uvarint(raw[9:])
	if n <= 0 || seq > 1<<62 || len(raw) != 9+n+4 {
		return c, false
	}
	c.seq = int64(seq)
	copy(c.tag[:], raw[9+n:])
	return c, true
}

// newest is the position at which the connection's snapshot ends.
func (b *Backend) newest(ctx context.Context, c *conn) (at cursor, err error) {
	err = errNoLog
	e := c.each(ctx, "SELECT seq, tag FROM app_data_changes ORDER BY seq DESC LIMIT 1", nil,
		func(row []driver.Value) error {
			at, err = b.position(row)
			return errEnough
		})
	return at, cmp.Or(e, err)
}

// position is the cursor at a row of the log. The row begins with seq and tag.
func (b *Backend) position(row []driver.Value) (cursor, error) {
	at := cursor{database: b.database}
	var tag []byte
	if err := scan(row[:2], &at.seq, &tag); err != nil {
		return at, err
	}
	if len(tag) != len(at.tag) {
		return at, errNoLog
	}
	copy(at.tag[:], tag)
	return at, nil
}

// resumable fails with ErrCursor unless the log still has everything after the cursor.
func (b *Backend) resumable(ctx context.Context, c *conn, from backends.Cursor) (cursor, error) {
	at, ok := from.(cursor)
	if !ok || at.database != b.database {
		return at, backends.ErrCursor
	}
	const sql = `SELECT 1 FROM app_data_changes WHERE seq = ? AND tag = ?
		UNION ALL SELECT 1 FROM app_data_meta WHERE floor_seq = ? AND floor_tag = ? LIMIT 1`
	found, err := c.one(ctx, sql, []any{at.seq, at.tag[:], at.seq, at.tag[:]})
	if err == nil && !found {
		err = backends.ErrCursor
	}
	return at, err
}

// Cursor implements [backends.Backend].
func (b *Backend) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	at, ok := parseCursor(raw)
	if !ok {
		return nil, backends.ErrCursor
	}
	err := b.read(ctx, "check a cursor", func(ctx context.Context, c *conn) error {
		_, err := b.resumable(ctx, c, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return at, nil
}
