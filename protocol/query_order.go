package protocol

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is a value's place in the one order of values.
type kind int

const (
	kindMissing kind = iota
	kindNull
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
)

// kindOf is the kind of a canonical value, nil for a missing one.
func kindOf(value []byte) kind {
	if len(value) == 0 {
		return kindMissing
	}
	switch value[0] {
	case 'n':
		return kindNull
	case 'f':
		return kindFalse
	case 't':
		return kindTrue
	case '"':
		return kindString
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// compareValues is the one order of values: see [Query].
func compareValues(a, b []byte) int {
	k := kindOf(a)
	if order := cmp.Compare(k, kindOf(b)); order != 0 {
		return order
	}
	switch k {
	case kindNumber:
		x, _ := strconv.ParseFloat(string(a), 64) // canonical: cannot fail
		y, _ := strconv.ParseFloat(string(b), 64)
		return cmp.Compare(x, y)
	case kindString:
		return strings.Compare(unquote(a), unquote(b))
	case kindArray:
		return compareArrays(a, b)
	}
	return bytes.Compare(a, b)
}

func compareArrays(a, b []byte) int {
	return slices.CompareFunc(slices.Collect(Elements(a)), slices.Collect(Elements(b)), compareValues)
}

// orderField is a field that a query orders by.
type orderField struct {
	field string
	down  bool
}

// parseOrder reads names: score, or -score for the greatest first. Without any, the documents that were
// updated last come first.
func parseOrder(names []string) (order []orderField, err error) {
	if len(names) > MaxOrder {
		return nil, Errorf(CodeInvalidMessage, "a query orders by at most %d fields", MaxOrder)
	}
	for _, name := range names {
		field, down := strings.CutPrefix(name, "-")
		if err := checkField(field); err != nil {
			return nil, err
		}
		order = append(order, orderField{field, down})
	}
	if order == nil {
		order = []orderField{{"_updatedAt", true}}
	}
	return order, nil
}

// Compare is the query's order: negative if a comes first. Of documents that are equal by the fields, the
// one with the smaller id does.
func (q *Query) Compare(a, b *Document) int {
	for _, o := range q.order {
		if order := o.compare(fieldOf(a, o.field), fieldOf(b, o.field)); order != 0 {
			return order
		}
	}
	return strings.Compare(a.ID, b.ID)
}

func (o orderField) compare(a, b []byte) int {
	if o.down {
		return compareValues(b, a)
	}
	return compareValues(a, b)
}

// Follows reports whether a document is behind the position that the query goes on after.
func (q *Query) Follows(d *Document) bool {
	if q.after == nil {
		return true
	}
	for i, o := range q.order {
		if order := o.compare(fieldOf(d, o.field), q.after.values[i]); order != 0 {
			return order > 0
		}
	}
	return d.ID > q.after.id
}

// position is where a page ended: the values that the query orders by, and the id, of its last document.
type position struct {
	values [][]byte
	id     string
}

// maxPosition bounds a position's text, in bytes.
const maxPosition = 16 << 10

// Position is where a page ends whose last document is d, for the after of the next request. It fails with
// invalid_filter if d's values are too long for one.
func (q *Query) Position(r *Request, d *Document) (string, error) {
	out := append(append([]byte{'['}, AppendString(nil, q.mark(r))...), ',')
	for _, o := range q.order {
		out = append(append(append(out, '['), fieldOf(d, o.field)...), "],"...) // [] is a missing value
	}
	out = append(AppendString(out, d.ID), ']')
	if len(out) > maxPosition {
		return "", Errorf(CodeInvalidFilter, "the values to order by are too long to go on after: order by a shorter field")
	}
	return base64.RawURLEncoding.EncodeToString(out), nil
}

// mark tells queries apart: a position is of one where and order.
func (q *Query) mark(r *Request) string {
	h := sha256.New()
	for _, part := range append([]string{r.Collection, string(r.Where)}, r.Order...) {
		h.Write(AppendString(nil, part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

func decodePosition(q *Query, r *Request) (*position, error) {
	foreign := Errorf(CodeInvalidCursor, "after is no position of this query: ask for its first page again")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(r.After)
	if err != nil || len(raw) > maxPosition {
		return nil, foreign
	}
	text, err := canonicalValue(raw, MaxDepth+1)
	if err != nil || text[0] != '[' {
		return nil, foreign
	}
	var parts [][]byte
	for part := range Elements(text) {
		parts = append(parts, part)
	}
	if len(parts) != len(q.order)+2 || !bytes.Equal(parts[0], AppendString(nil, q.mark(r))) ||
		kindOf(parts[len(parts)-1]) != kindString {
		return nil, foreign
	}
	p := &position{id: unquote(parts[len(parts)-1])}
	for _, wrapped := range parts[1 : len(parts)-1] {
		if kindOf(wrapped) != kindArray {
			return nil, foreign
		}
		p.values = append(p.values, wrapped[1:len(wrapped)-1])
	}
	return p, nil
}

func quotedTime(t time.Time) []byte {
	return append(AppendTime([]byte{'"'}, t), '"')
}
