package postgres

import (
	"cmp"
	"context"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// The difference of two snapshots is the log's rows of transactions that the reader's snapshot
// shows and the earlier one does not, joined with the documents as they are now.
//
// In this form the earlier snapshot costs a few look-ups in the index. NOT
// pg_visible_in_snapshot(…) would read the whole log. LIMIT keeps the planner from reading all
// documents for the join, as it does before it has statistics.
const (
	differenceSQL = `SELECT c.xid::text, c.op, coalesce(c.actor, ''),
			c.workspace_id, c.app_id, c.collection, c.id, d.data::text, d.created_at, d.updated_at
		FROM @.app_data_changes AS c
		LEFT JOIN LATERAL (SELECT * FROM @.app_data AS o WHERE o.workspace_id = c.workspace_id
			AND o.app_id = c.app_id AND o.collection = c.collection AND o.id = c.id LIMIT 1) AS d ON true
		WHERE (c.xid >= $1::text::xid8 OR c.xid = ANY($2::text[]::xid8[]))`
	ofScopeSQL = " AND c.workspace_id IN ($3, '') AND c.app_id IN ($4, '')"
	bySeqSQL   = " ORDER BY c.seq"
)

// after returns the parameters of differenceSQL for the earlier snapshot.
func (s snapshot) after() []any {
	xip := make([]string, len(s.xip))
	for i, xid := range s.xip {
		xip[i] = strconv.FormatUint(xid, 10)
	}
	return []any{strconv.FormatUint(s.xmax, 10), xip}
}

// logRow is one row of the difference.
type logRow struct {
	xid, op, actor, workspace, app string
	collection                     string
	row
}

const opTruncate = "truncate"

// difference calls f for the changes of a scope after a snapshot, in the order of the log.
// truncated is true if the table was truncated.
func (b *Backend) difference(
	ctx context.Context, tx pgx.Tx, h head, from snapshot, s protocol.Scope, f func(backends.Change) error,
) (truncated bool, err error) {
	args := append(from.after(), s.Workspace, s.StoredApp())
	rows, err := tx.Query(ctx, b.sql(differenceSQL+ofScopeSQL+bySeqSQL), args...)
	if err != nil {
		return false, err
	}
	return b.scanChanges(rows, h.epoch, func(c backends.Change) error {
		if c.Ref.Scope != s {
			return nil
		}
		return f(c)
	})
}

// scanChanges calls f for each row of the difference.
func (b *Backend) scanChanges(
	rows pgx.Rows, epoch epoch, f func(backends.Change) error,
) (truncated bool, err error) {
	defer rows.Close()
	for rows.Next() {
		var l logRow
		into := []any{&l.xid, &l.op, &l.actor, &l.workspace, &l.app, &l.collection}
		if err := rows.Scan(append(into, l.into()...)...); err != nil {
			return false, err
		}
		if l.op == opTruncate {
			truncated = true
			continue
		}
		xid, err := strconv.ParseUint(l.xid, 10, 64)
		if err != nil {
			return false, err
		}
		if err := f(b.change(&l, commit{epoch, xid})); err != nil {
			return false, err
		}
	}
	return truncated, rows.Err()
}

func (b *Backend) change(l *logRow, by commit) backends.Change {
	c := backends.Change{
		Ref: protocol.Ref{Scope: protocol.StoredScope(l.workspace, l.app), Collection: l.collection, ID: l.id},
		Op:  backends.Delete, By: backends.ParseActor(l.actor), Commit: by,
	}
	if l.data == nil {
		return c
	}
	if c.Doc = b.document(c.Ref.Scope, l.collection, &l.row); c.Doc != nil {
		c.Op = backends.Update
		if l.op == backends.Insert.String() {
			c.Op = backends.Insert
		}
	}
	return c
}

// Since implements [backends.Backend].
func (b *Backend) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
) (batch backends.Batch, err error) {
	bound := cmp.Or(maxBytes, math.MaxInt)
	err = b.snapshot(ctx, "read changes", nil, func(ctx context.Context, tx pgx.Tx, h head) error {
		at, err := h.resumable(from)
		if err != nil {
			return err
		}
		builder := driverkit.NewBatchBuilder(bound, bound)
		truncated, err := b.difference(ctx, tx, h, at.snapshot, s, func(c backends.Change) error {
			if !builder.Add(c) {
				return backends.ErrTooBig
			}
			return nil
		})
		if batch = builder.Batch(h.cursor); truncated {
			batch = backends.Batch{Lost: []protocol.Scope{s}, Cursor: h.cursor}
		}
		return err
	})
	if err != nil {
		return backends.Batch{}, err
	}
	return batch, nil
}

// Gone implements [backends.Backend].
func (b *Backend) Gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) (gone []protocol.Ref, at backends.Cursor, err error) {
	err = b.snapshot(ctx, "read deleted documents", nil, func(ctx context.Context, tx pgx.Tx, h head) error {
		gone, at = nil, h.cursor
		start := h.floor
		if from != nil {
			c, err := h.resumable(from)
			if err != nil {
				return err
			}
			start = c.snapshot
		}
		seen := map[protocol.Ref]struct{}{}
		_, err := b.difference(ctx, tx, h, start, s, func(c backends.Change) error {
			if _, again := seen[c.Ref]; again || c.Op != backends.Delete {
				return nil
			}
			if len(gone) == max {
				return backends.ErrTooBig
			}
			seen[c.Ref] = struct{}{}
			gone = append(gone, c.Ref)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return gone, at, nil
}
