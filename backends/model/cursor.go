package model

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/secondgate/secondgate/backends"
)

// kind is the first byte of this backend's cursors.
const kind = 'M'

// header is the length of a cursor up to its snapshot: kind, epoch, mark.
const header = 1 + 8 + 8

// cursor is a snapshot of the store with that epoch.
type cursor struct {
	epoch uint64
	at    *snapshot
}

// commit marks a change with its transaction.
type commit struct {
	epoch uint64
	xid   xid
}

var _ backends.Cursor = cursor{}

func (c cursor) Reached(other backends.Cursor) bool {
	o, ok := other.(cursor)
	return ok && o.epoch == c.epoch && c.at.contains(o.at)
}

func (c cursor) Covers(change backends.Change) bool {
	m, ok := change.Commit.(commit)
	return ok && m.epoch == c.epoch && c.at.visible(m.xid)
}

func (c cursor) Append(dst []byte) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint64(dst, c.epoch)
	dst = binary.BigEndian.AppendUint64(dst, c.at.mark)
	dst = binary.AppendUvarint(dst, uint64(c.at.next))
	for _, x := range c.at.open {
		dst = binary.AppendUvarint(dst, uint64(c.at.next-x))
	}
	return dst
}

// Cursor parses what Append wrote.
func (b *Backend) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	at, epoch, ok := parseSnapshot(raw)
	if !ok {
		return nil, backends.ErrCursor
	}
	c := cursor{epoch, at}
	err := b.locked(ctx, func(s *store) error {
		_, err := s.resumable(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func parseSnapshot(raw []byte) (at *snapshot, epoch uint64, ok bool) {
	if len(raw) <= header || raw[0] != kind {
		return nil, 0, false
	}
	epoch = binary.BigEndian.Uint64(raw[1:])
	at = &snapshot{mark: binary.BigEndian.Uint64(raw[9:])}
	next, n := binary.Uvarint(raw[header:])
	if n <= 0 {
		return nil, 0, false
	}
	at.next = xid(next)
	for raw = raw[header+n:]; len(raw) > 0; raw = raw[n:] {
		var delta uint64
		if delta, n = binary.Uvarint(raw); n <= 0 || delta == 0 || delta > next {
			return nil, 0, false
		}
		at.open = append(at.open, xid(next-delta))
	}
	return at, epoch, slices.IsSorted(at.open)
}

// resumable is the snapshot of a cursor. It fails with ErrCursor unless the history after it is
// kept. The caller holds the lock.
func (s *store) resumable(c backends.Cursor) (*snapshot, error) {
	own, ok := c.(cursor)
	if !ok || own.epoch != s.epoch || own.at.next > s.next {
		return nil, backends.ErrCursor
	}
	if _, known := s.marks[own.at.mark]; !known || !own.at.contains(s.floor) {
		return nil, backends.ErrCursor
	}
	return own.at, nil
}
