package mongodb

import (
	"context"
	"encoding/binary"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// kind is the first byte of this backend's cursors.
const kind = 'm'

// epoch names one life of the collection. A collection that was dropped or restored has another
// one.
type epoch [8]byte

// cursor is the snapshot at a cluster time.
type cursor struct {
	epoch epoch
	at    bson.Timestamp
}

var _ backends.Cursor = cursor{}

func (c cursor) Reached(other backends.Cursor) bool {
	o, ok := other.(cursor)
	return ok && o.epoch == c.epoch && !c.at.Before(o.at)
}

// commit marks a change with the cluster time of its transaction, or with a later one: see
// [backends.Cursor].
type commit cursor

func (c cursor) Covers(change backends.Change) bool {
	by, ok := change.Commit.(commit)
	return ok && c.Reached(cursor(by))
}

func (c cursor) Append(dst []byte) []byte {
	dst = append(append(dst, kind), c.epoch[:]...)
	dst = binary.BigEndian.AppendUint32(dst, c.at.T)
	return binary.BigEndian.AppendUint32(dst, c.at.I)
}

// ClusterTime is the cursor's time, for tests that read the database themselves.
func (c cursor) ClusterTime() bson.Timestamp { return c.at }

func parseCursor(raw []byte) (c cursor, ok bool) {
	if len(raw) != 17 || raw[0] != kind {
		return c, false
	}
	copy(c.epoch[:], raw[1:9])
	c.at = bson.Timestamp{T: binary.BigEndian.Uint32(raw[9:]), I: binary.BigEndian.Uint32(raw[13:])}
	return c, true
}

// Cursor implements [backends.Backend].
func (b *Backend) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	at, ok := parseCursor(raw)
	if !ok {
		return nil, backends.ErrCursor
	}
	if _, err := b.resumable(ctx, at); err != nil {
		return nil, err
	}
	if err := b.inOplog(ctx, at); err != nil {
		return nil, err
	}
	return at, nil
}

// resumable fails with ErrCursor unless the history after a cursor is kept. It does not ask whether
// the oplog still has that history: see [Backend.inOplog].
func (b *Backend) resumable(ctx context.Context, from backends.Cursor) (h head, err error) {
	at, ok := from.(cursor)
	if !ok {
		return h, backends.ErrCursor
	}
	// For a moment, a new primary may be behind what the old one has told.
	for range 3 {
		if h, err = b.heads.Read(ctx); err != nil {
			return h, b.translate(ctx, "read the floor", err)
		}
		if at.epoch != h.epoch || at.at.Before(h.floor) {
			return h, backends.ErrCursor
		}
		if h.Reached(at) {
			return h, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return h, backends.ErrCursor
}
