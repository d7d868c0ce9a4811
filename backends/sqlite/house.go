package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends"
)

const (
	tick = backends.HouseTick
	// chunk is how many rows one job deletes: writers wait for no more than that.
	chunk = 1000
	// sweeps is how many chunks of the memory of mutations are looked through at a tick, at most: 12 million an hour.
	sweeps = 200
)

func (b *Backend) clean(ctx context.Context, now time.Time) error {
	errs := []error{b.mark(ctx, now), b.trim(ctx, now.Add(-b.options.Retention)), b.forgetMutations(ctx, now.Add(-remembered(b.options)))}
	errs = append(errs, b.inWriter(ctx, "clean the ledger", func(c *conn) error {
		_, err := c.exec(ctx, "DELETE FROM app_data_ledger WHERE expires > 0 AND expires <= ?", now.UnixMilli())
		return err
	}))
	return errors.Join(errs...)
}

// mark notes where the log is now.
func (b *Backend) mark(ctx context.Context, now time.Time) error {
	return b.inWriter(ctx, "mark", func(c *conn) error {
		const sql = "INSERT OR REPLACE INTO app_data_marks (at, seq) SELECT ?, max(seq) FROM app_data_changes"
		_, err := c.exec(ctx, sql, now.UnixMilli())
		return err
	})
}

// Trim forgets the changes from before a time, to the minute: one within the last minute means all. Cursors from
// before expire; the newest position stays good.
func (b *Backend) Trim(ctx context.Context, before time.Time) error {
	if now := time.Now(); now.Sub(before) < tick {
		if err := b.mark(ctx, before); err != nil {
			return err
		}
	}
	return b.trim(ctx, before)
}

func (b *Backend) trim(ctx context.Context, before time.Time) error {
	for more := true; more; {
		err := b.inWriter(ctx, "trim", func(c *conn) (err error) {
			more, err = trimSome(c, before.UnixMilli())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trimSome deletes the oldest rows of the log, with the floor that this leaves: a cursor at the last row that
// went lacks nothing. The newest row always stays.
func trimSome(c *conn, before int64) (more bool, err error) {
	ctx := context.Background()
	var last, oldest, floor int64
	var tag []byte
	if _, err := c.one(ctx, "SELECT max(seq) FROM app_data_marks WHERE at <= ?", []any{before}, &last); err != nil {
		return false, err
	}
	if _, err := c.one(ctx, "SELECT min(seq) FROM app_data_changes", nil, &oldest); err != nil {
		return false, err
	}
	const sql = "SELECT seq, tag FROM app_data_changes WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
	found, err := c.one(ctx, sql, []any{min(last, oldest+chunk)}, &floor, &tag)
	if err != nil || !found {
		return false, err
	}
	if _, err := c.exec(ctx, "UPDATE app_data_meta SET floor_seq = ?, floor_tag = ?", floor, tag); err != nil {
		return false, err
	}
	const trim = "DELETE FROM app_data_changes WHERE seq <= ? AND seq < (SELECT max(seq) FROM app_data_changes)"
	if _, err := c.exec(ctx, trim, floor); err != nil {
		return false, err
	}
	_, err = c.exec(ctx, "DELETE FROM app_data_marks WHERE seq <= ? AND at < ?", floor, before)
	return floor < last, err
}

// remembered is how long mutations are: at least 24 h, as the protocol promises.
func remembered(o Options) time.Duration { return max(o.Retention, 24*time.Hour) }

// forgetMutations looks through the next part of the memory for rows from before a time. The house alone calls it.
func (b *Backend) forgetMutations(ctx context.Context, before time.Time) error {
	for range sweeps {
		if err := b.sweep(ctx, before); err != nil {
			return err
		}
		if b.swept == nil {
			return nil // at the end: the next tick begins anew
		}
	}
	return nil
}

// sweep forgets what is old of one chunk, and notes where the next one begins.
func (b *Backend) sweep(ctx context.Context, before time.Time) error {
	from, to := b.swept, []byte(nil)
	err := b.inWriter(ctx, "forget mutations", func(c *conn) error {
		const last = "SELECT key FROM app_data_mutations WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
		found, err := c.one(ctx, last, []any{nonNil(from), int64(chunk - 1)}, &to)
		if err != nil {
			return err
		}
		if !found {
			_, err = c.exec(ctx, "DELETE FROM app_data_mutations WHERE key > ? AND at < ?", nonNil(from), before.UnixMilli())
			return err
		}
		_, err = c.exec(ctx, "DELETE FROM app_data_mutations WHERE key > ? AND key <= ? AND at < ?", nonNil(from), to, before.UnixMilli())
		return err
	})
	if err == nil {
		b.swept = to
	}
	return err
}

// nonNil is b as a blob: NULL compares with nothing.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
