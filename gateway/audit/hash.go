package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/secondgate/secondgate/protocol"
)

// hashPrefix says by what a hash was made.
const hashPrefix = "sha256:"

// shortHash is the length of the hash of an address or a user agent, prefix included.
const shortHash = 19

// hashOf is the hash of canonical JSON with its names in the order of compareNames.
func hashOf(value []byte) string {
	var room [512]byte
	sum := sha256.Sum256(appendStable(room[:0], value))
	var text [len(hashPrefix) + 2*sha256.Size]byte
	copy(text[:], hashPrefix)
	hex.Encode(text[len(hashPrefix):], sum[:])
	return string(text[:])
}

// hashText is the short hash of what identifies a client; empty if there is none.
func hashText(text string) string {
	if text = trim(text); text == "" {
		return ""
	}
	return hashOf(protocol.AppendString(nil, text))[:shortHash]
}

// member is one of a canonical object. Its name is in quotes.
type member struct{ name, value []byte }

// appendStable appends a canonical value with the names of its objects in the order of compareNames.
func appendStable(dst, value []byte) []byte {
	switch value[0] {
	case '{':
		return appendStableObject(dst, value)
	case '[':
		dst = append(dst, '[')
		for element := range protocol.Elements(value) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = appendStable(dst, element)
		}
		return append(dst, ']')
	}
	return append(dst, value...)
}

func appendStableObject(dst, object []byte) []byte {
	var room [16]member
	members := room[:0]
	for name, value := range protocol.Members(object) {
		members = append(members, member{name, value})
	}
	slices.SortStableFunc(members, func(a, b member) int { return compareNames(unquote(a.name), unquote(b.name)) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, m.name...), ':')
		dst = appendStable(dst, m.value)
	}
	return append(dst, '}')
}

func unquote(quoted []byte) string {
	text, _ := jsontext.AppendUnquote(nil, quoted) // canonical JSON is valid
	return string(text)
}
