package postgres

import (
	"cmp"
	"context"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// The difference between two snapshots: the log's rows of transactions that the reader's snapshot shows and the earlier
// one does not, joined with what their documents are now. In this form the earlier snapshot costs a few look-ups in
// the index; NOT pg_visible_in_snapshot(…) would read the whole log. LIMIT keeps the planner from joining by reading all
// documents, which it likes before it has statistics.
const (
	differenceSQL = "SELECT c.xid::text, c.op, coalesce(c.actor, ''), c.workspace_id, c.app_id, c.collection, c.id, d.data::text, d.created_at, d.updated_at" +
		" FROM @.app_data_changes AS c LEFT JOIN LATERAL (SELECT * FROM @.app_data AS o WHERE o.workspace_id = c.workspace_id" +
		" AND o.app_id = c.app_id AND o.collection = c.collection AND o.id = c.id LIMIT 1) AS d ON true" +
		" WHERE (c.xid >= $1::text::xid8 OR c.xid = ANY($2::text[]::xid8[]))"
	ofScopeSQL = " AND c.workspace_id IN ($3, '') AND c.app_id IN ($4, '')"
	bySeqSQL   = " ORDER BY c.seq"
)

// after are the parameters of differenceSQL.
func (s snapshot) after() []any {
	xip := make([]string, len(s.xip))
	for i, xid := range s.xip {
		xip[i] = strconv.FormatUint(xid, 10)
	}
	return []any{strconv.FormatUint(s.xmax, 10), xip}
}

// logged is one row of the difference.
type logged struct {
	xid, op, actor, workspace, app string
	collection                     string
	row
}

const opTruncate = "truncate"

// each calls f for every change of the difference, in the order of the log. It is true if the table was truncated.
func (b *Backend) each(ctx context.Context, q querier, sql string, args []any, epoch epoch, f func(backends.Change) error) (truncated bool, err error) {
	rows, err := q.Query(ctx, b.sql(sql), args...)
	if err != nil {
		return false, err
	}
	return b.tell(rows, epoch, f)
}

func (b *Backend) tell(rows pgx.Rows, epoch epoch, f func(backends.Change) error) (truncated bool, err error) {
	defer rows.Close()
	for rows.Next() {
		var l logged
		if err := rows.Scan(append([]any{&l.xid, &l.op, &l.actor, &l.workspace, &l.app, &l.collection}, l.into()...)...); err != nil {
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

func (b *Backend) change(l *logged, by commit) backends.Change {
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
func (b *Backend) Since(ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int) (batch backends.Batch, err error) {
	bound := cmp.Or(maxBytes, math.MaxInt)
	err = b.snapshot(ctx, "read changes", nil, func(ctx context.Context, tx pgx.Tx, h head) error {
		at, err := h.resumable(from)
		if err != nil {
			return err
		}
		g := backends.NewGathering(bound, bound)
		args := append(at.snapshot.after(), s.Workspace, s.StoredApp())
		truncated, err := b.each(ctx, tx, differenceSQL+ofScopeSQL+bySeqSQL, args, h.epoch, func(c backends.Change) error {
			if c.Ref.Scope == s && !g.Add(c) {
				return backends.ErrTooBig
			}
			return nil
		})
		if batch = g.Batch(h.cursor); truncated {
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
func (b *Backend) Gone(ctx context.Context, s protocol.Scope, from backends.Cursor, max int) (gone []protocol.Ref, at backends.Cursor, err error) {
	err = b.snapshot(ctx, "read what is gone", nil, func(ctx context.Context, tx pgx.Tx, h head) error {
		gone, at = nil, h.cursor
		begin := h.floor
		if from != nil {
			c, err := h.resumable(from)
			if err != nil {
				return err
			}
			begin = c.snapshot
		}
		seen := map[protocol.Ref]struct{}{}
		args := append(begin.after(), s.Workspace, s.StoredApp())
		_, err := b.each(ctx, tx, differenceSQL+ofScopeSQL+bySeqSQL, args, h.epoch, func(c backends.Change) error {
			if _, again := seen[c.Ref]; again || c.Ref.Scope != s || c.Op != backends.Delete {
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
