package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
)

// querier is a connection, or a transaction on one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// read runs f on a connection of the pool. If the database has lost its epoch, read begins a new
// one and runs f again.
func (b *Backend) read(ctx context.Context, doing string, f func(context.Context, querier) error) error {
	inner, leave, err := b.life.EnterContext(ctx)
	if err != nil {
		return err
	}
	defer leave()
	once := func() error {
		conn, err := b.pool.Acquire(inner)
		if err != nil {
			return err
		}
		defer conn.Release()
		return f(inner, conn.Conn())
	}
	err = once()
	if errors.Is(err, errNoEpoch) {
		if err = b.ensureEpoch(inner); err == nil {
			err = once()
		}
	}
	return b.translate(ctx, doing, err)
}

// readOnly are the options of a transaction that reads one snapshot.
var readOnly = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// snapshot is read in a transaction that sees one snapshot. f gets its head. It fails with
// ErrCursor unless the snapshot has Reached notBefore (nil: any).
func (b *Backend) snapshot(
	ctx context.Context, doing string, notBefore backends.Cursor, f func(context.Context, pgx.Tx, head) error,
) error {
	return b.read(ctx, doing, func(ctx context.Context, q querier) error {
		return pgx.BeginTxFunc(ctx, q.(*pgx.Conn), readOnly, func(tx pgx.Tx) error {
			h, err := b.head(ctx, tx)
			switch {
			case err != nil:
				return err
			case notBefore != nil && !h.Reached(notBefore):
				return backends.ErrCursor
			}
			return f(ctx, tx, h)
		})
	})
}

// head is the position of the database in one snapshot. The log has what came after its floor.
type head struct {
	cursor
	floor snapshot
}

const (
	headColumns = `(SELECT token::text FROM @.app_data_epoch WHERE log = '@.app_data_changes'::regclass),
		pg_current_snapshot()::text`
	headSQL = "SELECT " + headColumns + ", floor::text FROM @.app_data_meta"
)

// head reads the head of the caller's transaction.
func (b *Backend) head(ctx context.Context, q querier) (head, error) {
	return scanHead(q.QueryRow(ctx, b.sql(headSQL)))
}

// newHead reads the head as a call of its own.
func (b *Backend) newHead(ctx context.Context) (h head, err error) {
	err = b.read(ctx, "read the head", func(ctx context.Context, q querier) error {
		h, err = b.head(ctx, q)
		return err
	})
	return h, err
}

func scanHead(r pgx.Row) (h head, err error) {
	var token *string
	var now, floor string
	err = r.Scan(&token, &now, &floor)
	if errors.Is(err, pgx.ErrNoRows) { // a snapshot from before the tables were made anew finds them empty
		return h, errNoEpoch
	}
	if err != nil {
		return h, err
	}
	if h.cursor, err = cursorAt(token, now); err != nil {
		return h, err
	}
	h.floor, err = parseSnapshot(floor)
	return h, err
}

// cursorAt is the cursor of a snapshot that was read together with the epoch's token. The token is
// nil after a crash, and after a dump has been loaded in place of the tables.
func cursorAt(token *string, text string) (c cursor, err error) {
	if token == nil {
		return c, errNoEpoch
	}
	c.epoch = epochOf(*token)
	c.snapshot, err = parseSnapshot(text)
	return c, err
}
