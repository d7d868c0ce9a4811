package protocol

import (
	"crypto/sha256"
	"encoding/base64"
)

// cursorFormat is the first byte of every cursor; it changes when older cursors cannot be read any
// more.
const cursorFormat = 1

// MaxCursor is the length of the longest cursor text that is read, in bytes: it travels in HTTP
// headers.
const MaxCursor = 4096

// EncodeCursor wraps a backend's cursor bytes for clients: base64url of a format byte, four bytes
// of a hash of the scope, and the bytes. Clients keep it as it is.
func EncodeCursor(s Scope, raw []byte) string {
	out := make([]byte, 0, 5+len(raw))
	out = append(out, cursorFormat)
	out = append(out, scopeHash(s)...)
	return base64.RawURLEncoding.EncodeToString(append(out, raw...))
}

// DecodeCursor unwraps a cursor of scope s. It fails with cursor_expired on anything else: for a
// client every cursor that cannot be resumed means the same, to list again.
func DecodeCursor(s Scope, text string) ([]byte, error) {
	expired := Errorf(CodeCursorExpired, "this cursor is not of this scope: list again")
	if len(text) > MaxCursor {
		return nil, expired
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 5 || b[0] != cursorFormat || string(b[1:5]) != string(scopeHash(s)) {
		return nil, expired
	}
	return b[5:], nil
}

func scopeHash(s Scope) []byte {
	sum := sha256.Sum256([]byte(s.Workspace + "/" + s.StoredApp()))
	return sum[:4]
}
