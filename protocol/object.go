package protocol

import (
	"bytes"
	"iter"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions of this file read canonical JSON only: no white space, sorted names, valid
// throughout. That lets them find their way by brackets and quotes, without parsing a value they do
// not need.

// Members iterates over a canonical object: each name as it is quoted, and its value's bytes.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := 1; i < len(object)-1; {
			colon := i + skipValue(object[i:])
			end := colon + 1 + skipValue(object[colon+1:])
			if !yield(object[i:colon], object[colon+1:end]) {
				return
			}
			i = end + 1
		}
	}
}

// Elements iterates over a canonical array.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		for i := 1; i < len(array)-1; {
			end := i + skipValue(array[i:])
			if !yield(array[i:end]) {
				return
			}
			i = end + 1
		}
	}
}

// Member is the value of one member of a canonical object.
func Member(object []byte, name string) ([]byte, bool) {
	quoted := AppendString(nil, name)
	if !bytes.Contains(object, quoted) {
		return nil, false
	}
	for n, value := range Members(object) {
		if bytes.Equal(n, quoted) {
			return value, true
		}
	}
	return nil, false
}

// skipValue is the length of the canonical value that b begins with.
func skipValue(b []byte) int {
	switch b[0] {
	case '"':
		return skipString(b)
	case '{', '[':
		return skipNested(b)
	}
	for i, c := range b {
		if c == ',' || c == '}' || c == ']' || c == ':' {
			return i
		}
	}
	return len(b)
}

func skipString(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

func skipNested(b []byte) int {
	for i, depth := 0, 0; ; {
		switch b[i] {
		case '"':
			i += skipString(b[i:])
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
}

// depth is how deeply a canonical value nests: 1 for an object of scalars, 0 for a scalar.
func depth(b []byte) (deepest int) {
	for i, level := 0, 0; i < len(b); {
		switch b[i] {
		case '"':
			i += skipString(b[i:])
			continue
		case '{', '[':
			level++
			deepest = max(deepest, level)
		case '}', ']':
			level--
		}
		i++
	}
	return deepest
}

// buildObject collects members, which must come in canonical order, into an object.
func buildObject(members func(add func(name, value []byte))) []byte {
	out := []byte{'{'}
	members(func(name, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, name...)
		out = append(out, ':')
		out = append(out, value...)
	})
	return append(out, '}')
}

// compareNames orders quoted names as RFC 8785 does: by UTF-16 code units of the unquoted text. For
// text without escapes and without characters above U+D7FF that is the order of their bytes.
func compareNames(a, b []byte) int {
	if plainName(a) && plainName(b) {
		return bytes.Compare(a[1:len(a)-1], b[1:len(b)-1])
	}
	ua, ub := utf16.Encode([]rune(unquote(a))), utf16.Encode([]rune(unquote(b)))
	for i := range min(len(ua), len(ub)) {
		if ua[i] != ub[i] {
			return int(ua[i]) - int(ub[i])
		}
	}
	return len(ua) - len(ub)
}

func plainName(quoted []byte) bool {
	for _, c := range quoted {
		if c == '\\' || c >= 0xEE {
			return false
		}
	}
	return true
}

// unquote is the text of a canonical JSON string.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // canonical: cannot fail
	return string(text)
}
