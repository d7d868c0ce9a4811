package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// chunk is the number of rows that one statement deletes at most.
const chunk = 10_000

// clean removes what has expired: changes, mutations, entries of the ledger and sets of fields.
func (b *Backend) clean(ctx context.Context, now time.Time) error {
	mutations := now.Add(-driverkit.MutationRetention(b.options.Retention))
	return errors.Join(
		b.mark(ctx, now),
		b.trim(ctx, now.Add(-b.options.Retention)),
		b.delete(ctx, "@.app_data_mutations", "at < $1", mutations),
		b.delete(ctx, "@.app_data_ledger", "expires <= $1", now),
		b.cleanFields(ctx, now.Add(-fieldsTime)))
}

// mark notes the snapshot at a time.
func (b *Backend) mark(ctx context.Context, now time.Time) error {
	const sql = "INSERT INTO @.app_data_marks (at, snapshot) VALUES ($1, pg_current_snapshot())"
	return b.exec(ctx, "mark", sql, now)
}

func (b *Backend) exec(ctx context.Context, doing, sql string, args ...any) error {
	return b.read(ctx, doing, func(ctx context.Context, q querier) error {
		_, err := q.(*pgx.Conn).Exec(ctx, b.sql(sql), args...)
		return err
	})
}

// Trim removes the changes from before a time, to the minute; a time within the last minute means
// all changes. Cursors from before that time expire. The newest position stays valid.
func (b *Backend) Trim(ctx context.Context, before time.Time) error {
	if time.Since(before) < driverkit.MaintenanceInterval {
		if err := b.mark(ctx, before); err != nil {
			return err
		}
	}
	return b.trim(ctx, before)
}

// trim moves the floor to the newest snapshot that was noted before a time. Then it deletes the
// rows that no cursor needs any more.
//
// The floor must never move back. If two gateways note a snapshot at once, the later snapshot may
// be noted first. The later one has the greater xmax, or the same xmax and fewer open transactions.
func (b *Backend) trim(ctx context.Context, before time.Time) error {
	const floor = `UPDATE @.app_data_meta SET floor = m.snapshot FROM (
			SELECT snapshot FROM @.app_data_marks WHERE at <= $1
			ORDER BY at DESC, pg_snapshot_xmax(snapshot) DESC LIMIT 1
		) AS m WHERE (pg_snapshot_xmax(m.snapshot), -(SELECT count(*) FROM pg_snapshot_xip(m.snapshot)))
			>= (pg_snapshot_xmax(floor), -(SELECT count(*) FROM pg_snapshot_xip(floor)))`
	if err := b.exec(ctx, "move the floor", floor, before); err != nil {
		return err
	}
	// The newest mark before the time is that of the floor. A later call may need it.
	const marks = "DELETE FROM @.app_data_marks WHERE at < (SELECT max(at) FROM @.app_data_marks WHERE at <= $1)"
	if err := b.exec(ctx, "remove marks", marks, before); err != nil {
		return err
	}
	return b.delete(ctx, "@.app_data_changes", `xid < (SELECT pg_snapshot_xmax(floor) FROM @.app_data_meta)
		AND pg_visible_in_snapshot(xid, (SELECT floor FROM @.app_data_meta))`)
}

// delete deletes rows in chunks, so no statement runs for long.
func (b *Backend) delete(ctx context.Context, table, where string, args ...any) error {
	sql := "DELETE FROM " + table + " WHERE ctid = ANY(ARRAY(" +
		"SELECT ctid FROM " + table + " WHERE " + where + " LIMIT 10000))"
	for more := true; more; {
		err := b.read(ctx, "clean up", func(ctx context.Context, q querier) error {
			tag, err := q.(*pgx.Conn).Exec(ctx, b.sql(sql), args...)
			more = tag.RowsAffected() == chunk
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
