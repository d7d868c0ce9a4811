package protocol

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// looseMembers iterates over the top-level string members of text that need not be valid
// throughout; it stops where the text stops being JSON.
func looseMembers(text []byte) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		d := jsontext.NewDecoder(
			bytes.NewReader(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true),
		)
		if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
			return
		}
		for d.PeekKind() == '"' {
			name, err := d.ReadToken()
			if err != nil {
				return
			}
			key := name.String() // before the next read, which makes the token void
			value, err := d.ReadValue()
			if err != nil {
				return
			}
			if value.Kind() == '"' && !yield(key, unquote(value)) {
				return
			}
		}
	}
}
