package backends

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// Position is a position in a list: just after the document with that time and id.
type Position struct {
	Updated time.Time
	ID      string
}

// String is the position as Page.Next.
func (p Position) String() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.Updated.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.ID...))
}

// ParsePosition reads Query.After. It fails with invalid_cursor.
func ParsePosition(after string) (Position, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(after)
	if err != nil || len(b) < 9 {
		return Position{}, protocol.Errorf(protocol.CodeInvalidCursor, "after must be the next of an earlier page")
	}
	return Position{time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), string(b[8:])}, nil
}

// Precedes reports whether the position is before d. Then d belongs to a later page.
func (p Position) Precedes(d *protocol.Document) bool {
	return Before(&protocol.Document{Updated: p.Updated, ID: p.ID}, d)
}
