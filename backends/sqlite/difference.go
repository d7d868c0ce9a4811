package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"math"
	"unicode/utf8"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// The difference between a position and the snapshot: the documents that the log names after it, as they are now.
// What they were in between is left out. A short stretch of the log is joined as it is, and a document that
// it names twice comes twice; a long one is first reduced to each document's last entry, so that one document which
// changes all the time is not read as often.
const (
	differenceSQL     = shortHead + "c.seq > ?" + joinTail
	longDifferenceSQL = longHead + "seq > ?" + longTail + joinTail
	sinceSQL          = shortHead + "c.workspace_id = ? AND c.app_id = ? AND c.seq > ?" + joinTail
	longSinceSQL      = longHead + "workspace_id = ? AND app_id = ? AND seq > ?" + longTail + joinTail

	logColumns  = " c.actor, c.workspace_id, c.app_id, c.collection, c.id, CAST(d.data AS BLOB), d.created_at, d.updated_at, d.rev"
	joinColumns = " LEFT JOIN app_data AS d ON d.workspace_id = c.workspace_id AND d.app_id = c.app_id AND d.collection = c.collection AND d.id = c.id"
	joinTail    = " ORDER BY c.seq"
	shortHead   = "SELECT c.seq, c.op = 'insert'," + logColumns + " FROM app_data_changes AS c" + joinColumns + " WHERE "
	longHead    = "SELECT c.seq, g.fresh," + logColumns + ` FROM (SELECT max(seq) AS last, min(seq) = min(CASE op WHEN 'insert' THEN seq END) AS fresh
		FROM app_data_changes WHERE `
	longTail = " GROUP BY workspace_id, app_id, collection, id) AS g CROSS JOIN app_data_changes AS c ON c.seq = g.last" + joinColumns
)

// short is how many rows of the log are joined as they are.
const short = 2 * maxGroup

// change reads a row of the difference. It is false for a key that is no text: such a document was never seen.
func (b *Backend) change(row []driver.Value) (backends.Change, bool) {
	var seq, fresh int64
	var actor, workspace, app, collection, id string
	if scan(row, &seq, &fresh, &actor, &workspace, &app, &collection, &id) != nil {
		return backends.Change{}, false
	}
	for _, key := range [...]string{workspace, app, collection, id} {
		if !utf8.ValidString(key) {
			return backends.Change{}, false
		}
	}
	change := backends.Change{
		Ref:    protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection, ID: id},
		Op:     backends.Delete,
		By:     backends.ParseActor(actor),
		Commit: seq,
	}
	if row[7] == nil {
		return change, true
	}
	if change.Doc = b.document(change.Ref.Scope, collection, row[6:]); change.Doc != nil {
		change.Op = backends.Update
		if fresh == 1 {
			change.Op = backends.Insert
		}
	}
	return change, true
}

// difference is the batch from a position of the log to the connection's snapshot, which ends at to.
func (b *Backend) difference(ctx context.Context, c *conn, from, to cursor) (backends.Batch, error) {
	sql := differenceSQL
	if to.seq-from.seq > short {
		sql = longDifferenceSQL
	}
	g := backends.NewGathering(backends.MaxScopeBatch, backends.MaxBatch)
	err := c.each(ctx, sql, []any{from.seq}, func(row []driver.Value) error {
		if change, ok := b.change(row); ok {
			g.Add(change)
		}
		return nil
	})
	return g.Batch(to), err
}

// Since implements [backends.Backend].
func (b *Backend) Since(ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int) (batch backends.Batch, err error) {
	bound := cmp.Or(maxBytes, math.MaxInt)
	g := backends.NewGathering(bound, bound)
	err = b.snapshot(ctx, "read changes", func(ctx context.Context, c *conn) error {
		at, err := b.resumable(ctx, c, from)
		if err != nil {
			return err
		}
		to, err := b.newest(ctx, c)
		if err != nil {
			return err
		}
		sql := sinceSQL
		if to.seq-at.seq > short {
			sql = longSinceSQL
		}
		err = c.each(ctx, sql, []any{s.Workspace, s.StoredApp(), at.seq}, func(row []driver.Value) error {
			if change, ok := b.change(row); ok && !g.Add(change) {
				return backends.ErrTooBig
			}
			return nil
		})
		batch = g.Batch(to)
		return err
	})
	if err != nil {
		return backends.Batch{}, err
	}
	return batch, nil
}
