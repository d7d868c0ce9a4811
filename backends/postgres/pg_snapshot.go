package postgres

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// snapshot is a pg_snapshot: the transactions below xmax that have committed are visible, except
// those of xip, which were open
// (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT). It has no
// xmin, which follows from the rest.
type snapshot struct {
	xmax uint64
	xip  []uint64 // ascending
}

var errSnapshot = errors.New("the server's snapshot cannot be read")

// parseSnapshot reads the text form xmin:xmax:xip,xip,….
func parseSnapshot(text string) (s snapshot, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, errSnapshot
	}
	if s.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return s, errSnapshot
	}
	if parts[2] == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return s, errSnapshot
		}
		s.xip = append(s.xip, xid)
	}
	slices.Sort(s.xip)
	return s, nil
}

// String is the text form, for parameters of type pg_snapshot.
func (s snapshot) String() string {
	xmin := s.xmax
	if len(s.xip) > 0 {
		xmin = s.xip[0]
	}
	var b strings.Builder
	b.WriteString(strconv.FormatUint(xmin, 10) + ":" + strconv.FormatUint(s.xmax, 10) + ":")
	for i, xid := range s.xip {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(xid, 10))
	}
	return b.String()
}

// shows reports whether a committed transaction is visible.
func (s snapshot) shows(xid uint64) bool {
	if xid >= s.xmax {
		return false
	}
	_, open := slices.BinarySearch(s.xip, xid)
	return !open
}

// contains reports whether everything visible in other is visible here. Of two snapshots of one
// server, one contains the other.
func (s snapshot) contains(other snapshot) bool {
	if s.xmax < other.xmax {
		return false
	}
	for _, xid := range s.xip {
		if other.shows(xid) {
			return false
		}
	}
	return true
}

// append writes xmax, the number of open transactions, then the distances between them, downwards:
// open transactions are near xmax. Without their number, a snapshot that was cut off would be a
// valid one that shows more.
func (s snapshot) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, s.xmax)
	dst = binary.AppendUvarint(dst, uint64(len(s.xip)))
	last := s.xmax
	for _, xid := range slices.Backward(s.xip) {
		dst = binary.AppendUvarint(dst, last-xid)
		last = xid
	}
	return dst
}

// decodeSnapshot reads what append wrote.
func decodeSnapshot(b []byte) (s snapshot, ok bool) {
	numbers, ok := uvarints(b)
	if !ok || len(numbers) < 2 || numbers[1] != uint64(len(numbers)-2) {
		return s, false
	}
	s.xmax = numbers[0]
	last := s.xmax
	for _, distance := range numbers[2:] {
		if distance == 0 || distance > last {
			return s, false
		}
		last -= distance
		s.xip = append(s.xip, last)
	}
	slices.Reverse(s.xip)
	return s, true
}

// uvarints reads numbers to the end of b.
func uvarints(b []byte) (numbers []uint64, ok bool) {
	for len(b) > 0 {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, false
		}
		numbers, b = append(numbers, x), b[n:]
	}
	return numbers, true
}
