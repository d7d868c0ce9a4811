package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
)

// kind is the first byte of this backend's cursors.
const kind = 'p'

// maxCursor is how long a cursor may be, in bytes. It grows with the transactions that are under way.
const maxCursor = 1 << 10

// epoch names one life of one database: see app_data_epoch.
type epoch [8]byte

// cursor is a snapshot of one life of one database.
type cursor struct {
	epoch    epoch
	snapshot snapshot
}

var _ backends.Cursor = cursor{}

func (c cursor) Reached(other backends.Cursor) bool {
	o, ok := other.(cursor)
	return ok && o.epoch == c.epoch && c.snapshot.contains(o.snapshot)
}

// commit marks a change: the transaction that made it, in one life of the database.
type commit struct {
	epoch epoch
	xid   uint64
}

func (c cursor) Covers(change backends.Change) bool {
	by, ok := change.Commit.(commit)
	return ok && by.epoch == c.epoch && c.snapshot.shows(by.xid)
}

func (c cursor) Append(dst []byte) []byte {
	dst = append(dst, kind)
	dst = append(dst, c.epoch[:]...)
	return c.snapshot.append(dst)
}

// Snapshot is the cursor's pg_snapshot as text, for those who look into the database themselves.
func (c cursor) Snapshot() string { return c.snapshot.String() }

func parseCursor(raw []byte) (c cursor, ok bool) {
	if len(raw) < 10 || raw[0] != kind {
		return c, false
	}
	copy(c.epoch[:], raw[1:9])
	c.snapshot, ok = decodeSnapshot(raw[9:])
	return c, ok
}

// Cursor implements [backends.Backend].
func (b *Backend) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	at, ok := parseCursor(raw)
	if !ok {
		return nil, backends.ErrCursor
	}
	h, err := b.heads.Read(ctx)
	if err == nil {
		_, err = h.resumable(at)
	}
	if err != nil {
		return nil, b.explain(ctx, "check a cursor", err)
	}
	return at, nil
}

// head is what the database says of itself in one snapshot.
type head struct {
	cursor
	floor snapshot
}

const (
	headColumns = "(SELECT token::text FROM @.app_data_epoch WHERE log = '@.app_data_changes'::regclass), pg_current_snapshot()::text"
	headSQL     = "SELECT " + headColumns + ", floor::text FROM @.app_data_meta"
)

// head reads it in the transaction of whoever asks.
func (b *Backend) head(ctx context.Context, q querier) (head, error) {
	return b.scanHead(q.QueryRow(ctx, b.sql(headSQL)))
}

// newHead reads it as a call of its own.
func (b *Backend) newHead(ctx context.Context) (h head, err error) {
	err = b.read(ctx, "read the head", func(ctx context.Context, q querier) error {
		h, err = b.head(ctx, q)
		return err
	})
	return h, err
}

func (b *Backend) scanHead(r pgx.Row) (h head, err error) {
	var token *string
	var now, floor string
	if err := r.Scan(&token, &now, &floor); err != nil {
		return h, err
	}
	if h.cursor, err = b.cursorAt(token, now); err != nil {
		return h, err
	}
	h.floor, err = parseSnapshot(floor)
	return h, err
}

// cursorAt is the cursor of a snapshot that was read together with the epoch's token; the token is nil after a
// crash, and when a dump has been loaded in place of the tables.
func (b *Backend) cursorAt(token *string, text string) (c cursor, err error) {
	if token == nil {
		return c, errNoEpoch
	}
	c.epoch = epochOf(*token)
	c.snapshot, err = parseSnapshot(text)
	return c, err
}

// resumable fails with ErrCursor unless the log still has everything after the cursor.
func (h head) resumable(from backends.Cursor) (cursor, error) {
	at, ok := from.(cursor)
	if !ok || at.epoch != h.epoch || !at.snapshot.contains(h.floor) || !h.snapshot.contains(at.snapshot) {
		return at, backends.ErrCursor
	}
	return at, nil
}

// querier is a connection, or a transaction on one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
