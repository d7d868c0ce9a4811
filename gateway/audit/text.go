package audit

import (
	"strings"
	"unicode"
	"unicode/utf16"
)

// The greatest lengths of texts in a row, in UTF-16 code units.
const (
	longestName    = 160
	longestTarget  = 200
	longestSummary = 500
	longestValue   = 512
	longestField   = 120
	mostFields     = 50
)

// clean is a text as rows have it: without control characters, on one line, and cut where it is too
// long.
func clean(text string, longest int) string {
	if len(text) <= longest && isPlain(text) {
		return text
	}
	if text = oneLine(text); utf16Len(text) > longest {
		return cut(text, longest) + "..."
	}
	return text
}

func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return text == "" || text[0] != ' ' && text[len(text)-1] != ' '
}

// oneLine drops control characters. Line breaks and tabs become spaces, several in a row become one.
func oneLine(text string) string {
	var b strings.Builder
	broken := false
	for _, r := range text {
		isBreak := r == '\r' || r == '\n' || r == '\t'
		switch {
		case isBreak && !broken:
			b.WriteByte(' ')
		case isBreak:
		case r < ' ' || r == 0x7f:
			continue
		default:
			b.WriteRune(r)
		}
		broken = isBreak
	}
	return trim(b.String())
}

// trim is String.prototype.trim.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r == 0xFEFF || unicode.IsSpace(r) && r != 0x85 })
}

func utf16Len(text string) (n int) {
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut is the beginning of a text, in UTF-16 code units. It leaves out half a character.
func cut(text string, longest int) string {
	n := 0
	for i, r := range text {
		if n += utf16.RuneLen(r); n > longest {
			return text[:i]
		}
	}
	return text
}
