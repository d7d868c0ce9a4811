package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	// chunk is how many rows one job deletes at most. Writers wait for one job, not for all.
	chunk = 1000
	// sweeps is how many chunks of mutations one maintenance examines at most: 12 million an hour.
	sweeps = 200
)

// clean removes what has expired: changes, mutations and entries of the ledger.
func (b *Backend) clean(ctx context.Context, now time.Time) error {
	return errors.Join(
		b.mark(ctx, now),
		b.trim(ctx, now.Add(-b.options.Retention)),
		b.sweepMutations(ctx, now.Add(-driverkit.MutationRetention(b.options.Retention))),
		b.cleanLedger(ctx, now),
		b.cleanAudit(ctx, now))
}

// cleanAudit removes rows of the audit trail that have expired, in chunks and from the oldest of each
// workspace on. It leaves a workspace at the first chunk that ends with a row that is to stay for a
// while. A maintenance that has examined enough goes on in the next one. Only maintenance calls it.
func (b *Backend) cleanAudit(ctx context.Context, now time.Time) error {
	for range sweeps {
		err := b.inWriter(ctx, "clean the audit trail", func(c *conn) (err error) {
			b.auditFrom, err = cleanRows(c, b.auditFrom, now.UnixMilli())
			return err
		})
		if err != nil || b.auditFrom == "" {
			return err
		}
	}
	return nil
}

// cleanRows examines a chunk of rows after a key and returns the key from which to go on; empty at the
// end.
func cleanRows(c *conn, from string, now int64) (next string, err error) {
	const look = `SELECT key, expires FROM app_data_ledger WHERE kind = ? AND key > ? ORDER BY key LIMIT ?`
	const remove = `DELETE FROM app_data_ledger WHERE kind = ? AND key > ? AND key <= ?
		AND expires < 0 AND -expires <= ?`
	ctx, examined, first := context.Background(), 0, ""
	var expires int64
	err = c.each(ctx, look, []any{backends.AuditKind, from, int64(chunk)}, func(row []driver.Value) error {
		var key string
		var until int64
		err := scan(row, &key, &until)
		workspace, _, _ := strings.Cut(key, "/")
		if examined++; examined == 1 {
			first = workspace
		} else if workspace != first { // one workspace at a time
			return errEnough
		}
		next, expires = key, until
		return err
	})
	if err != nil || next == "" {
		return "", err
	}
	if _, err := c.exec(ctx, remove, backends.AuditKind, from, next, now); err != nil {
		return "", err
	}
	if expires < 0 && -expires > now || examined < chunk {
		next = backends.AfterWorkspace(first)
	}
	return next, nil
}

// cleanLedger removes the entries that have expired, in chunks.
func (b *Backend) cleanLedger(ctx context.Context, now time.Time) error {
	const sql = `DELETE FROM app_data_ledger WHERE (kind, key) IN
		(SELECT kind, key FROM app_data_ledger WHERE expires > 0 AND expires <= ? LIMIT ?)`
	for removed := int64(chunk); removed == chunk; {
		err := b.inWriter(ctx, "clean the ledger", func(c *conn) (err error) {
			removed, err = c.exec(ctx, sql, now.UnixMilli(), int64(chunk))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mark notes the position of the log at a time.
func (b *Backend) mark(ctx context.Context, now time.Time) error {
	return b.inWriter(ctx, "mark", func(c *conn) error {
		const sql = "INSERT OR REPLACE INTO app_data_marks (at, seq) SELECT ?, max(seq) FROM app_data_changes"
		_, err := c.exec(ctx, sql, now.UnixMilli())
		return err
	})
}

// Trim removes the changes from before a time, to the minute; a time within the last minute means
// all changes. Cursors from before that time expire. The newest position stays valid.
func (b *Backend) Trim(ctx context.Context, before time.Time) error {
	if now := time.Now(); now.Sub(before) < driverkit.MaintenanceInterval {
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

// trimSome deletes a chunk of the oldest rows of the log and moves the floor to the last of them: a
// cursor at that row lacks nothing. The newest row always stays. more tells that there is more to
// delete.
func trimSome(c *conn, before int64) (more bool, err error) {
	ctx := context.Background()
	var last, oldest, floor int64
	var tag []byte
	const mark = "SELECT max(seq) FROM app_data_marks WHERE at <= ?"
	if _, err := c.one(ctx, mark, []any{before}, &last); err != nil {
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

// sweepMutations examines the next chunks of mutations and removes those from before a time. Only
// maintenance calls it.
func (b *Backend) sweepMutations(ctx context.Context, before time.Time) error {
	for range sweeps {
		if err := b.sweep(ctx, before); err != nil {
			return err
		}
		if b.sweepFrom == nil {
			return nil // the end was reached; the next maintenance begins anew
		}
	}
	return nil
}

// sweep removes old mutations of one chunk and notes where the next chunk begins.
func (b *Backend) sweep(ctx context.Context, before time.Time) error {
	from, to := b.sweepFrom, []byte(nil)
	err := b.inWriter(ctx, "remove mutations", func(c *conn) error {
		const last = "SELECT key FROM app_data_mutations WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
		found, err := c.one(ctx, last, []any{nonNil(from), int64(chunk - 1)}, &to)
		if err != nil {
			return err
		}
		if !found {
			const sql = "DELETE FROM app_data_mutations WHERE key > ? AND at < ?"
			_, err = c.exec(ctx, sql, nonNil(from), before.UnixMilli())
			return err
		}
		const sql = "DELETE FROM app_data_mutations WHERE key > ? AND key <= ? AND at < ?"
		_, err = c.exec(ctx, sql, nonNil(from), to, before.UnixMilli())
		return err
	})
	if err == nil {
		b.sweepFrom = to
	}
	return err
}

// nonNil makes nil an empty blob: nothing compares with NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
