package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"math"
	"unicode/utf8"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// The difference between a position and the snapshot is the documents that the log names after the
// position, as they are in the snapshot. States in between are left out.
//
// A short part of the log is joined with the documents as it is; a document that it names twice
// comes twice. A long part is first reduced to the last entry of each document. Then a document
// that changes all the time is read once.
const (
	differenceSQL     = shortHead + "c.seq > ?" + joinTail
	longDifferenceSQL = longHead + "seq > ?" + longTail + joinTail
	sinceSQL          = shortHead + "c.workspace_id = ? AND c.app_id = ? AND c.seq > ?" + joinTail
	longSinceSQL      = longHead + "workspace_id = ? AND app_id = ? AND seq > ?" + longTail + joinTail

	logColumns = ` c.actor, c.workspace_id, c.app_id, c.collection, c.id,
		CAST(d.data AS BLOB), d.created_at, d.updated_at, d.rev`
	joinColumns = ` LEFT JOIN app_data AS d ON d.workspace_id = c.workspace_id AND d.app_id = c.app_id
		AND d.collection = c.collection AND d.id = c.id`
	joinTail  = " ORDER BY c.seq"
	shortHead = "SELECT c.seq, c.op = 'insert', 0," + logColumns +
		" FROM app_data_changes AS c" + joinColumns + " WHERE "
	longHead = "SELECT c.seq, g.fresh, g.merged," + logColumns + `
		FROM (SELECT max(seq) AS last, min(seq) = min(CASE op WHEN 'insert' THEN seq END) AS fresh,
		min(seq) < max(seq) AS merged
		FROM app_data_changes WHERE `
	longTail = ` GROUP BY workspace_id, app_id, collection, id) AS g
		CROSS JOIN app_data_changes AS c ON c.seq = g.last` + joinColumns
)

// short is the most rows of the log that are joined as they are.
const short = 2 * maxGroup

// change reads a row of the difference. ok is false if a key is no text: clients never see such a
// document.
func (b *Backend) change(row []driver.Value) (change backends.Change, ok bool) {
	var seq, fresh, merged int64
	var actor, workspace, app, collection, id string
	if scan(row, &seq, &fresh, &merged, &actor, &workspace, &app, &collection, &id) != nil {
		return change, false
	}
	for _, key := range [...]string{workspace, app, collection, id} {
		if !utf8.ValidString(key) {
			return change, false
		}
	}
	change = backends.Change{
		Ref:    protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection, ID: id},
		Op:     backends.Delete,
		By:     backends.ParseActor(actor),
		Merged: merged == 1,
		Commit: seq,
	}
	if row[8] == nil {
		return change, true
	}
	if change.Doc = b.document(change.Ref.Scope, collection, row[7:]); change.Doc != nil {
		change.Op = backends.Update
		if fresh == 1 {
			change.Op = backends.Insert
		}
	}
	return change, true
}

// difference is the batch from a position of the log to the connection's snapshot, which ends at
// to.
func (b *Backend) difference(ctx context.Context, c *conn, from, to cursor) (backends.Batch, error) {
	sql := differenceSQL
	if to.seq-from.seq > short {
		sql = longDifferenceSQL
	}
	batch := driverkit.NewFeedBuilder()
	err := c.each(ctx, sql, []any{from.seq}, func(row []driver.Value) error {
		if change, ok := b.change(row); ok {
			batch.Add(change)
		}
		return nil
	})
	return batch.Batch(to), err
}

// Since implements [backends.Backend].
func (b *Backend) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
) (batch backends.Batch, err error) {
	bound := cmp.Or(maxBytes, math.MaxInt)
	builder := driverkit.NewBatchBuilder(bound, bound)
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
			if change, ok := b.change(row); ok && !builder.Add(change) {
				return backends.ErrTooBig
			}
			return nil
		})
		batch = builder.Batch(to)
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
	err = b.snapshot(ctx, "read deleted documents", func(ctx context.Context, c *conn) error {
		since, err := b.startOf(ctx, c, from)
		if err != nil {
			return err
		}
		if at, err = b.newest(ctx, c); err != nil {
			return err
		}
		return c.each(ctx, longSinceSQL, []any{s.Workspace, s.StoredApp(), since}, func(row []driver.Value) error {
			change, ok := b.change(row)
			if !ok || change.Op != backends.Delete {
				return nil
			}
			if len(gone) == max {
				return backends.ErrTooBig
			}
			gone = append(gone, change.Ref)
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return gone, at, nil
}

// startOf is the seq of a cursor; without a cursor it is the one after which the log begins.
func (b *Backend) startOf(ctx context.Context, c *conn, from backends.Cursor) (seq int64, err error) {
	if from == nil {
		_, err = c.one(ctx, "SELECT floor_seq FROM app_data_meta", nil, &seq)
		return seq, err
	}
	at, err := b.resumable(ctx, c, from)
	return at.seq, err
}
