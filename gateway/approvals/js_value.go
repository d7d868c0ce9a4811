package approvals

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"
)

// jsValue is a value as JavaScript's JSON.parse makes it. Upstream hashes agents.json with JavaScript,
// so what JavaScript makes of a text decides: doubles, the last of equal names, lone surrogates.
type jsValue interface{}

type (
	// jsString has UTF-16 code units, lone surrogates included.
	jsString []uint16
	jsArray  []jsValue
	// jsObject has its members in the order in which JavaScript lists them, but for integer-like names.
	jsObject []jsMember
	jsMember struct {
		name  jsString
		value jsValue
	}
)

var (
	errNotJSON = errors.New("agents.json is not valid JSON")
	errTooDeep = fmt.Errorf("agents.json is nested more than %d deep: flatten it", maxNesting)
)

// parseJS reads a text as JSON.parse does.
func parseJS(text string) (jsValue, error) {
	d := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, err := readJS(d)
	switch {
	case err == errTooDeep:
		return nil, err
	case err != nil:
		return nil, errNotJSON
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errNotJSON
	}
	return v, nil
}

func readJS(d *jsontext.Decoder) (jsValue, error) {
	if d.StackDepth() > maxNesting {
		return nil, errTooDeep
	}
	switch d.PeekKind() {
	case '{':
		return readJSObject(d)
	case '[':
		return readJSArray(d)
	}
	raw, err := d.ReadValue()
	if err != nil {
		return nil, err
	}
	switch raw.Kind() {
	case '"':
		return unquoteJS(raw), nil
	case '0':
		n, _ := strconv.ParseFloat(string(raw), 64) // out of range: an infinity, as in JavaScript
		return n, nil
	case 't', 'f':
		return raw.Kind() == 't', nil
	}
	return nil, nil
}

func readJSArray(d *jsontext.Decoder) (all jsArray, err error) {
	all = jsArray{}
	_, err = d.ReadToken()
	for err == nil && d.PeekKind() != ']' {
		var v jsValue
		if v, err = readJS(d); err == nil {
			all = append(all, v)
		}
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	return all, err
}

func readJSObject(d *jsontext.Decoder) (o jsObject, err error) {
	o = jsObject{}
	at := map[string]int{}
	_, err = d.ReadToken()
	for err == nil && d.PeekKind() != '}' {
		var raw jsontext.Value
		if raw, err = d.ReadValue(); err != nil {
			break
		}
		name := unquoteJS(raw)
		var v jsValue
		if v, err = readJS(d); err != nil {
			break
		}
		if i, again := at[name.key()]; again { // the last value counts, at the first one's place
			o[i].value = v
			continue
		}
		at[name.key()] = len(o)
		o = append(o, jsMember{name, v})
	}
	if err == nil {
		_, err = d.ReadToken()
	}
	return o, err
}

// unquoteJS reads a JSON string that the decoder has found valid.
func unquoteJS(quoted []byte) (s jsString) {
	for body := string(quoted[1 : len(quoted)-1]); body != ""; {
		if body[0] != '\\' {
			end := strings.IndexByte(body, '\\')
			if end < 0 {
				end = len(body)
			}
			s = append(s, utf16.Encode([]rune(body[:end]))...)
			body = body[end:]
			continue
		}
		if body[1] == 'u' {
			unit, _ := strconv.ParseUint(body[2:6], 16, 16)
			s, body = append(s, uint16(unit)), body[6:]
			continue
		}
		s, body = append(s, uint16(escaped[body[1]])), body[2:]
	}
	return s
}

// escaped are the characters that a backslash and a letter stand for (RFC 8259 §7).
var escaped = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// key is the string as the key of a map.
func (s jsString) key() string {
	b := make([]byte, 0, 2*len(s))
	for _, unit := range s {
		b = append(b, byte(unit>>8), byte(unit))
	}
	return string(b)
}

// text is the string in UTF-8, for comparisons with names that have no lone surrogates.
func (s jsString) text() string { return string(utf16.Decode(s)) }

// index is the number that an integer-like name stands for. JavaScript lists such names first.
func (s jsString) index() (n uint64, ok bool) {
	text := s.text()
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n <= math.MaxUint32-1 && strconv.FormatUint(n, 10) == text
}

// get is the value of a member, nil if there is none.
func (o jsObject) get(name string) jsValue {
	for _, m := range o {
		if m.name.text() == name {
			return m.value
		}
	}
	return nil
}

func (o jsObject) has(name string) bool {
	return slices.ContainsFunc(o, func(m jsMember) bool { return m.name.text() == name })
}

// listed are the members in the order in which JavaScript lists them: integer-like names by number, then
// the others as they came or, if sorted, by UTF-16 code units.
func (o jsObject) listed(sorted bool) jsObject {
	all := slices.Clone(o)
	slices.SortStableFunc(all, func(a, b jsMember) int {
		i, aIndex := a.name.index()
		j, bIndex := b.name.index()
		switch {
		case aIndex && bIndex:
			return int(int64(i) - int64(j))
		case aIndex:
			return -1
		case bIndex:
			return 1
		case sorted:
			return slices.Compare(a.name, b.name)
		}
		return 0
	})
	return all
}

// appendJS appends what JSON.stringify prints. canonical sorts names and leaves out __proto__, which
// JavaScript takes for a prototype where an object is copied.
func appendJS(dst []byte, v jsValue, canonical bool) []byte {
	switch v := v.(type) {
	case jsString:
		return v.appendQuoted(dst)
	case jsArray:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJS(dst, e, canonical)
		}
		return append(dst, ']')
	case jsObject:
		return v.append(dst, canonical)
	case float64:
		if math.IsInf(v, 0) {
			return append(dst, "null"...)
		}
		if v == 0 { // also -0
			v = 0
		}
		text, _ := json.Marshal(v) // as ECMAScript prints numbers; a finite one cannot fail
		return append(dst, text...)
	case bool:
		return strconv.AppendBool(dst, v)
	}
	return append(dst, "null"...)
}

func (o jsObject) append(dst []byte, canonical bool) []byte {
	dst = append(dst, '{')
	first := len(dst)
	for _, m := range o.listed(canonical) {
		if canonical && m.name.text() == protoName {
			continue
		}
		if len(dst) > first {
			dst = append(dst, ',')
		}
		dst = append(m.name.appendQuoted(dst), ':')
		dst = appendJS(dst, m.value, canonical)
	}
	return append(dst, '}')
}

// protoName is the one name that an object in JavaScript does not take by assignment.
const protoName = "__proto__"

// appendQuoted appends the string as JSON.stringify prints it: control characters and lone surrogates
// escaped, everything else as it is.
func (s jsString) appendQuoted(dst []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		r := rune(s[i])
		if utf16.IsSurrogate(r) {
			pair := rune(-1)
			if i+1 < len(s) {
				pair = utf16.DecodeRune(r, rune(s[i+1]))
			}
			if pair < 0 || pair == '\uFFFD' {
				dst = append(dst, `\u`...)
				dst = append(dst, strconv.FormatUint(uint64(r), 16)...)
				continue
			}
			dst = append(dst, string(pair)...)
			i++
			continue
		}
		dst = appendUnit(dst, r)
	}
	return append(dst, '"')
}

func appendUnit(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < ' ' {
		const hex = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
	}
	return append(dst, string(r)...)
}
