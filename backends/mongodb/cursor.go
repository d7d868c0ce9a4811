package mongodb

import (
	"context"
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// kind is the first byte of this backend's cursors.
const kind = 'm'

// epoch names one life of the collection: dropped or restored, it is another one.
type epoch [8]byte

// cursor is what a snapshot at a cluster time shows.
type cursor struct {
	epoch epoch
	at    bson.Timestamp
}

var _ backends.Cursor = cursor{}

func (c cursor) Reached(other backends.Cursor) bool {
	o, ok := other.(cursor)
	return ok && o.epoch == c.epoch && !c.at.Before(o.at)
}

// commit marks a change with the cluster time of its transaction, or a later one: see [backends.Cursor].
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

// ClusterTime is the cursor's, for those who look into the database themselves.
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
	if err := b.logged(ctx, at); err != nil {
		return nil, err
	}
	return at, nil
}
