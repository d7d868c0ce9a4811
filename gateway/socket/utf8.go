package socket

import "unicode/utf8"

// utf8Check checks text as its bytes come (UTF-8 as in the Unicode Standard, table 3-7). The zero
// value stands between two characters.
type utf8Check struct {
	missing   uint8 // continuation bytes that the character still needs
	low, high byte  // where the next one must lie
}

// whole reports whether no character is cut off here.
func (u *utf8Check) whole() bool { return u.missing == 0 }

// takeAll takes bytes up to the first that cannot stand there in UTF-8, and that one too.
func (u *utf8Check) takeAll(b []byte) (used int, ok bool) {
	for used < len(b) && !u.whole() {
		if used++; !u.take(b[used-1]) {
			return used, false
		}
	}
	if n := len(b) - cutOff(b[used:]); utf8.Valid(b[used:n]) { // much faster than byte by byte
		used = n
	}
	for used < len(b) {
		if used++; !u.take(b[used-1]) {
			return used, false
		}
	}
	return used, true
}

// cutOff is how many bytes at the end may be the beginning of a character.
func cutOff(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// take returns false on the first byte that cannot stand here in UTF-8.
func (u *utf8Check) take(b byte) bool {
	if u.missing > 0 {
		ok := u.low <= b && b <= u.high
		u.missing, u.low, u.high = u.missing-1, 0x80, 0xBF
		return ok
	}
	u.low, u.high = 0x80, 0xBF
	switch {
	case b < 0x80:
	case b < 0xC2: // a continuation byte, or an overlong form
		return false
	case b < 0xE0:
		u.missing = 1
	case b < 0xF0:
		u.missing = 2
	case b < 0xF5:
		u.missing = 3
	default:
		return false
	}
	u.narrow(b)
	return true
}

// narrow excludes overlong forms, surrogates and code points beyond U+10FFFF.
func (u *utf8Check) narrow(b byte) {
	switch b {
	case 0xE0:
		u.low = 0xA0
	case 0xED:
		u.high = 0x9F
	case 0xF0:
		u.low = 0x90
	case 0xF4:
		u.high = 0x8F
	}
}
