package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Document is one stored document. Data is its canonical JSON object (RFC 8785) without the
// reserved names; it is shared and never modified once made. Times have millisecond precision, in
// UTC.
type Document struct {
	ID      string
	Data    []byte
	Created time.Time
	Updated time.Time
	// Rev is the document's fingerprint: opaque, compared for equality only, the same on every
	// backend.
	Rev string
}

// NewDocument completes a document from its stored parts; data must be canonical.
func NewDocument(id string, data []byte, created, updated time.Time) *Document {
	created, updated = Millis(created), Millis(updated)
	return &Document{
		ID: id, Data: data, Created: created, Updated: updated,
		Rev: Fingerprint(data, created, updated),
	}
}

// Millis is t as documents keep it: UTC, cut to milliseconds.
func Millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Fingerprint is 128 bits of SHA-256 over the canonical data and both times (milliseconds since
// 1970, 8 bytes each, big-endian), in base64url: 22 characters.
func Fingerprint(data []byte, created, updated time.Time) string {
	h := sha256.New()
	h.Write(data)
	var times [16]byte
	binary.BigEndian.PutUint64(times[:8], uint64(created.UnixMilli()))
	binary.BigEndian.PutUint64(times[8:], uint64(updated.UnixMilli()))
	h.Write(times[:])
	var sum [sha256.Size]byte
	return base64.RawURLEncoding.EncodeToString(h.Sum(sum[:0])[:16])
}

// Append appends the document as clients see it: _id, then its data, then _createdAt, _updatedAt,
// _rev.
func (d *Document) Append(dst []byte) []byte {
	dst = d.AppendPlain(dst)
	dst = append(dst[:len(dst)-1], `,"_rev":"`...)
	dst = append(dst, d.Rev...)
	return append(dst, `"}`...)
}

// AppendPlain is Append without _rev: the legacy doors' form, whose clients show every field as a
// column.
func (d *Document) AppendPlain(dst []byte) []byte {
	dst = d.AppendBare(dst)
	dst = append(dst[:len(dst)-1], `,"_createdAt":"`...)
	dst = AppendTime(dst, d.Created)
	dst = append(dst, `","_updatedAt":"`...)
	dst = AppendTime(dst, d.Updated)
	return append(dst, `"}`...)
}

// AppendBare is Append without times and _rev: the internal door's form.
func (d *Document) AppendBare(dst []byte) []byte {
	dst = append(dst, `{"_id":`...)
	dst = AppendString(dst, d.ID)
	if inner := d.Data[1 : len(d.Data)-1]; len(inner) > 0 {
		dst = append(dst, ',')
		dst = append(dst, inner...)
	}
	return append(dst, '}')
}

// AppendTime appends t as RFC 3339 UTC with milliseconds. The format without them is one that
// package time knows by heart, several times faster than any other.
func AppendTime(dst []byte, t time.Time) []byte {
	dst = t.UTC().AppendFormat(dst, time.RFC3339)
	ms := t.Nanosecond() / 1e6
	return append(dst[:len(dst)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// AppendString appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the error only tells of invalid UTF-8, which has been replaced
	return dst
}

// hidden tells whether a top-level name of data belongs to the document's own fields.
func hidden(quoted []byte) bool {
	switch string(quoted) {
	case `"_id"`, `"_createdAt"`, `"_updatedAt"`, `"_rev"`:
		return true
	}
	return false
}

// Visible is canonical data without the reserved top-level names, which stored data of others may
// have.
func Visible(data []byte) []byte {
	if !bytes.Contains(data, []byte(`"_`)) {
		return data
	}
	found := false
	for name := range Members(data) {
		found = found || hidden(name)
	}
	if !found {
		return data
	}
	return buildObject(func(add func(name, value []byte)) {
		for name, value := range Members(data) {
			if !hidden(name) {
				add(name, value)
			}
		}
	})
}

// Writable is canonical data as it may be written to document id: _createdAt, _updatedAt and _rev
// are dropped, and so is an _id that equals id. With id empty (an insert that leaves the id to the
// server) any _id is dropped, for apps copy rows. It fails with invalid_document on another
// document's _id.
func Writable(data []byte, id string) ([]byte, error) {
	if own, ok := Member(data, "_id"); ok && id != "" && !bytes.Equal(own, AppendString(nil, id)) {
		return nil, Errorf(CodeInvalidDocument, "data._id differs from the document's id: leave _id out of data")
	}
	return Visible(data), nil
}

// size is about how long the document is as clients see it.
func (d *Document) size() int { return len(d.ID) + len(d.Data) + 150 }
