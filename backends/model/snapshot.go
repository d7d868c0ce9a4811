package model

import "slices"

// xid numbers transactions in the order in which they begin; they end in any.
type xid uint64

// snapshot is a set of transactions: those that began before next, except the open ones. It is immutable.
//
// Snapshots of one store are nested, for a transaction that has ended stays ended.
type snapshot struct {
	next xid
	open []xid // ascending
	// mark is that of the last commit. Numbers come again after a restored backup; marks do not.
	mark uint64
}

// visible tells whether x had ended. One that was rolled back has left nothing to see.
func (s *snapshot) visible(x xid) bool {
	if x >= s.next {
		return false
	}
	_, open := slices.BinarySearch(s.open, x)
	return !open
}

// contains tells whether everything visible in other is visible in s.
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

// since yields the transactions that s may show and from does not: those open in from, and the later ones.
// PostgreSQL finds them in an index by the same two conditions.
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
