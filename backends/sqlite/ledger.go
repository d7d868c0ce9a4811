package sqlite

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// An entry whose expires is 0 never expires. Rows of the audit trail have theirs as a negative number:
// the index of what expires leaves them out, which would cost each write a third as much again. Their
// keys ascend with time, so cleanAudit finds them without it.
const (
	// addSQL is putSQL for a key that is new, without a journal of its own: see insertSQL.
	addSQL = `INSERT OR FAIL INTO app_data_ledger (kind, key, body, at, expires) VALUES (?, ?, ?, ?, ?)`
	putSQL = `INSERT OR REPLACE INTO app_data_ledger (kind, key, body, at, expires) VALUES (?, ?, ?, ?, ?)`
	// putAbsentSQL replaces an entry only once it has expired.
	putAbsentSQL = `INSERT INTO app_data_ledger (kind, key, body, at, expires) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET body = excluded.body, at = excluded.at, expires = excluded.expires
			WHERE expires <> 0 AND abs(expires) <= ?`
	takeSQL = `SELECT kind, key, body, at, expires FROM app_data_ledger
		WHERE kind = ? AND key = ? AND (expires = 0 OR abs(expires) > ?)`
	removeSQL = `DELETE FROM app_data_ledger WHERE kind = ? AND key = ?`
	findSQL   = `SELECT kind, key, body, at, expires FROM app_data_ledger
		WHERE kind = ? AND key >= ? AND key > ? AND (expires = 0 OR abs(expires) > ?) ORDER BY key`
	findLastSQL = `SELECT kind, key, body, at, expires FROM app_data_ledger
		WHERE kind = ? AND key >= ? AND (expires = 0 OR abs(expires) > ?) ORDER BY key DESC`
	findBelowSQL = `SELECT kind, key, body, at, expires FROM app_data_ledger
		WHERE kind = ? AND key >= ? AND (expires = 0 OR abs(expires) > ?) AND key < ? ORDER BY key DESC`
)

// Put implements [backends.Ledger].
func (b *Backend) Put(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	return b.inWriter(ctx, "put", func(c *conn) error {
		if !ifAbsent {
			return putEntry(c, e)
		}
		n, err := c.exec(context.Background(), putAbsentSQL, append(values(e), time.Now().UnixMilli())...)
		if err == nil && n == 0 {
			err = driverkit.ErrEntryExists(e.Key)
		}
		return err
	})
}

func putEntry(c *conn, e backends.Entry) error {
	_, err := c.exec(context.Background(), putSQL, values(e)...)
	return err
}

// addEntry stores an entry of a transaction. The keys of rows of the audit trail are new each time.
func addEntry(c *conn, e backends.Entry) error {
	if e.Kind != backends.AuditKind {
		return putEntry(c, e)
	}
	_, err := c.exec(context.Background(), addSQL, values(e)...)
	return err
}

// Take implements [backends.Ledger].
func (b *Backend) Take(ctx context.Context, kind, key string) (e backends.Entry, err error) {
	err = b.inWriter(ctx, "take", func(c *conn) error {
		found := false
		args := []any{kind, key, time.Now().UnixMilli()}
		err := c.each(context.Background(), takeSQL, args, func(row []driver.Value) (err error) {
			found = true
			e, err = entry(row)
			return err
		})
		if err == nil && !found {
			return driverkit.ErrNoEntry(key)
		}
		if err == nil {
			_, err = c.exec(context.Background(), removeSQL, kind, key)
		}
		return err
	})
	if err != nil {
		return backends.Entry{}, err
	}
	return e, nil
}

// Find implements [backends.Ledger].
func (b *Backend) Find(
	ctx context.Context, kind, prefix, after string, limit int,
) (entries []backends.Entry, err error) {
	err = b.read(ctx, "find", func(ctx context.Context, c *conn) error {
		args := []any{kind, prefix, after, time.Now().UnixMilli()}
		return c.each(ctx, findSQL, args, func(row []driver.Value) error {
			e, err := entry(row)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(e.Key, prefix) || len(entries) >= limit {
				return errEnough
			}
			entries = append(entries, e)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// FindLast implements [backends.Ledger].
func (b *Backend) FindLast(
	ctx context.Context, kind, prefix, before string, limit int,
) (entries []backends.Entry, err error) {
	sql, args := findLastSQL, []any{kind, prefix, time.Now().UnixMilli()}
	if end, bounded := driverkit.End(prefix, before); bounded {
		sql, args = findBelowSQL, append(args, end)
	}
	err = b.read(ctx, "find", func(ctx context.Context, c *conn) error {
		return c.each(ctx, sql, args, func(row []driver.Value) error {
			e, err := entry(row)
			if err == nil && len(entries) >= limit {
				err = errEnough
			}
			if err == nil {
				entries = append(entries, e)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

func values(e backends.Entry) []any {
	body := driverkit.PackRow(e)
	if body == nil {
		body = []byte{}
	}
	expires := millis(e.Expires)
	if e.Kind == backends.AuditKind {
		expires = -expires
	}
	return []any{e.Kind, e.Key, body, millis(e.At), expires}
}

func entry(row []driver.Value) (e backends.Entry, err error) {
	var at, expires int64
	err = scan(row, &e.Kind, &e.Key, &e.Body, &at, &expires)
	e.At, e.Expires = moment(at), moment(max(expires, -expires))
	if err == nil {
		err = driverkit.UnpackRow(&e)
	}
	return e, err
}

// millis is a time as it is stored: 0 is the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// moment is the inverse of millis.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
