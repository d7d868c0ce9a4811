package postgres

import (
	"context"
	"crypto/sha256"

	"github.com/secondgate/secondgate/backends"
)

// kind is the first byte of this backend's cursors.
const kind = 'p'

// maxCursor is the size limit of a cursor, in bytes. A cursor grows with the open transactions.
const maxCursor = 1 << 10

// epoch names one life of a database: see app_data_epoch.
type epoch [8]byte

// epochOf is the epoch of a token in app_data_epoch.
func epochOf(token string) (e epoch) {
	sum := sha256.Sum256([]byte(token))
	copy(e[:], sum[:])
	return e
}

// cursor is a snapshot within one epoch.
type cursor struct {
	epoch    epoch
	snapshot snapshot
}

var _ backends.Cursor = cursor{}

func (c cursor) Reached(other backends.Cursor) bool {
	o, ok := other.(cursor)
	return ok && o.epoch == c.epoch && c.snapshot.contains(o.snapshot)
}

// commit marks a change with the transaction that made it.
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

// Snapshot is the cursor's pg_snapshot as text, for tests that read the database themselves.
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
		return nil, b.translate(ctx, "check a cursor", err)
	}
	return at, nil
}

// resumable fails with ErrCursor unless the log still has everything after the cursor.
func (h head) resumable(from backends.Cursor) (cursor, error) {
	at, ok := from.(cursor)
	if !ok || at.epoch != h.epoch || !at.snapshot.contains(h.floor) || !h.snapshot.contains(at.snapshot) {
		return at, backends.ErrCursor
	}
	return at, nil
}
