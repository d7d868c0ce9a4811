package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	putSQL = `INSERT INTO @.app_data_ledger AS l (kind, key, body, at, expires) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, at = excluded.at, expires = excluded.expires`
	// absentSQL replaces an entry only once it has expired.
	absentSQL = putSQL + " WHERE l.expires <= now()"
	takeSQL   = `DELETE FROM @.app_data_ledger WHERE kind = $1 AND key = $2
		RETURNING kind, key, body, at, expires, coalesce(expires > now(), true)`
	findSQL = `SELECT kind, key, body, at, expires, true FROM @.app_data_ledger
		WHERE kind = $1 AND key >= $2 AND key > $3 AND starts_with(key, $2)
			AND (expires IS NULL OR expires > now()) ORDER BY key LIMIT $4`
	findLastSQL = `SELECT kind, key, body, at, expires, true FROM @.app_data_ledger
		WHERE kind = $1 AND key >= $2
			AND (expires IS NULL OR expires > now()) ORDER BY key DESC LIMIT $3`
	findBelowSQL = `SELECT kind, key, body, at, expires, true FROM @.app_data_ledger
		WHERE kind = $1 AND key >= $2 AND key < $3
			AND (expires IS NULL OR expires > now()) ORDER BY key DESC LIMIT $4`
)

// Put implements [backends.Ledger].
func (b *Backend) Put(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	sql := putSQL
	if ifAbsent {
		sql = absentSQL
	}
	return b.read(ctx, "put", func(ctx context.Context, q querier) error {
		tag, err := q.(*pgx.Conn).Exec(ctx, b.sql(sql), values(e)...)
		if err == nil && tag.RowsAffected() == 0 {
			err = driverkit.ErrEntryExists(e.Key)
		}
		return err
	})
}

// Take implements [backends.Ledger].
func (b *Backend) Take(ctx context.Context, kind, key string) (e backends.Entry, err error) {
	err = b.read(ctx, "take", func(ctx context.Context, q querier) error {
		var fresh bool
		e, fresh, err = entry(q.QueryRow(ctx, b.sql(takeSQL), kind, key))
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !fresh {
			return driverkit.ErrNoEntry(key)
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
	if !storable(kind, prefix, after) {
		return nil, nil
	}
	return b.entries(ctx, findSQL, kind, prefix, after, limit)
}

// FindLast implements [backends.Ledger].
func (b *Backend) FindLast(
	ctx context.Context, kind, prefix, before string, limit int,
) (entries []backends.Entry, err error) {
	if !storable(kind, prefix, before) {
		return nil, nil
	}
	if end, bounded := driverkit.End(prefix, before); bounded {
		return b.entries(ctx, findBelowSQL, kind, prefix, end, limit)
	}
	return b.entries(ctx, findLastSQL, kind, prefix, limit)
}

// entries reads the entries that a query finds.
func (b *Backend) entries(ctx context.Context, sql string, args ...any) (entries []backends.Entry, err error) {
	err = b.read(ctx, "find", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, b.sql(sql), args...)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (backends.Entry, error) {
			e, _, err := entry(r)
			return e, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

func values(e backends.Entry) []any {
	return []any{e.Kind, e.Key, bodyOf(e), nullable(e.At), nullable(e.Expires)}
}

// bodyOf is never nil, which would be NULL.
func bodyOf(e backends.Entry) []byte {
	if e.Body == nil {
		return []byte{}
	}
	return driverkit.PackRow(e)
}

// entry reads a row. fresh is false if the entry has expired.
func entry(r pgx.Row) (e backends.Entry, fresh bool, err error) {
	var at, expires *time.Time
	err = r.Scan(&e.Kind, &e.Key, &e.Body, &at, &expires, &fresh)
	e.At, e.Expires = moment(at), moment(expires)
	if err == nil {
		err = driverkit.UnpackRow(&e)
	}
	return e, fresh, err
}

// nullable is a time as it is stored: NULL is the zero time.
func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// moment is the inverse of nullable.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
