package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
)

const (
	tick = backends.HouseTick
	// chunk is how many rows one statement deletes.
	chunk = 10_000
)

func (b *Backend) clean(ctx context.Context, now time.Time) error {
	return errors.Join(b.mark(ctx, now), b.trim(ctx, now.Add(-b.options.Retention)),
		b.delete(ctx, "@.app_data_mutations", "at < $1", now.Add(-max(b.options.Retention, 24*time.Hour))),
		b.delete(ctx, "@.app_data_ledger", "expires <= $1", now))
}

// mark notes where the log is now.
func (b *Backend) mark(ctx context.Context, now time.Time) error {
	return b.exec(ctx, "mark", "INSERT INTO @.app_data_marks (at, snapshot) VALUES ($1, pg_current_snapshot())", now)
}

func (b *Backend) exec(ctx context.Context, doing, sql string, args ...any) error {
	return b.read(ctx, doing, func(ctx context.Context, q querier) error {
		_, err := q.(*pgx.Conn).Exec(ctx, b.sql(sql), args...)
		return err
	})
}

// Trim forgets the changes from before a time, to the minute: one within the last minute means all. Cursors from
// before expire; the newest position stays good.
func (b *Backend) Trim(ctx context.Context, before time.Time) error {
	if time.Since(before) < tick {
		if err := b.mark(ctx, before); err != nil {
			return err
		}
	}
	return b.trim(ctx, before)
}

// trim moves the floor to the newest snapshot that was noted before a time, then deletes what no cursor can ask for any
// more. A floor only moves on: of two snapshots that were noted at once the later one may have been noted first. The
// later of two has the greater xmax, or the same and fewer transactions under way.
func (b *Backend) trim(ctx context.Context, before time.Time) error {
	const floor = `UPDATE @.app_data_meta SET floor = m.snapshot FROM (
			SELECT snapshot FROM @.app_data_marks WHERE at <= $1 ORDER BY at DESC, pg_snapshot_xmax(snapshot) DESC LIMIT 1
		) AS m WHERE (pg_snapshot_xmax(m.snapshot), -(SELECT count(*) FROM pg_snapshot_xip(m.snapshot)))
			>= (pg_snapshot_xmax(floor), -(SELECT count(*) FROM pg_snapshot_xip(floor)))`
	if err := b.exec(ctx, "move the floor", floor, before); err != nil {
		return err
	}
	// The newest mark at or before the time is the floor's own; later calls may need it.
	const marks = "DELETE FROM @.app_data_marks WHERE at < (SELECT max(at) FROM @.app_data_marks WHERE at <= $1)"
	if err := b.exec(ctx, "forget marks", marks, before); err != nil {
		return err
	}
	return b.delete(ctx, "@.app_data_changes",
		"xid < (SELECT pg_snapshot_xmax(floor) FROM @.app_data_meta) AND pg_visible_in_snapshot(xid, (SELECT floor FROM @.app_data_meta))")
}

// delete removes rows, chunk by chunk, so that no statement runs for long.
func (b *Backend) delete(ctx context.Context, table, where string, args ...any) error {
	sql := "DELETE FROM " + table + " WHERE ctid = ANY(ARRAY(SELECT ctid FROM " + table + " WHERE " + where + " LIMIT 10000))"
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
