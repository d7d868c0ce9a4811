package driverkit

// Successor is the first text after all texts that begin with prefix, in the order of UTF-8 bytes.
// There is none for an empty prefix. It counts in code points, so the text stays valid UTF-8.
func Successor(prefix string) (string, bool) {
	runes := []rune(prefix)
	for n := len(runes); n > 0; n-- {
		next := runes[n-1] + 1
		if next == 0xD800 { // surrogates are no characters
			next = 0xE000
		}
		if next <= 0x10FFFF {
			return string(append(runes[:n-1:n-1], next)), true
		}
	}
	return "", false
}

// End is the bound below which Backend.FindLast looks, for a prefix and its own bound (empty: none).
// bounded is false if every key is below.
func End(prefix, before string) (end string, bounded bool) {
	end, bounded = Successor(prefix)
	if before != "" && (!bounded || before < end) {
		return before, true
	}
	return end, bounded
}
