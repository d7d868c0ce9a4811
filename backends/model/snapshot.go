package model

import "slices"

// xid numbers transactions in the order in which they begin. They end in any order.
type xid uint64

// snapshot is a set of transactions: those that began before next, except the open ones. It is
// immutable.
//
// Snapshots of one store are nested: a transaction that has ended stays ended.
type snapshot struct {
	next xid
	open []xid // ascending
	// mark is the mark of the last commit. After a backup is restored, numbers repeat; marks do
	// not.
	mark uint64
}

// visible reports whether x had ended. A transaction that was rolled back has left nothing.
func (s *snapshot) visible(x xid) bool {
	if x >= s.next {
		return false
	}
	_, open := slices.BinarySearch(s.open, x)
	return !open
}

// contains reports whether everything visible in other is visible in s.
func (s *snapshot) contains(other *snapshot) bool {
	for _, x := range s.open {
		if other.visible(x) {
			return false
		}
	}
	for x := s.next; x < other.next; x++ {
		if other.visible(x) {
			return false
		}
	}
	return true
}

// since returns the transactions that s shows and from does not: of those that were open in from,
// and of the later ones. PostgreSQL finds them in an index by the same two conditions.
func (s *snapshot) since(from *snapshot) (xids []xid) {
	for _, x := range from.open {
		if s.visible(x) {
			xids = append(xids, x)
		}
	}
	for x := from.next; x < s.next; x++ {
		if s.visible(x) {
			xids = append(xids, x)
		}
	}
	return xids
}
