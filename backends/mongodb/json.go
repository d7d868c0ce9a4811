package mongodb

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// maxExact is the greatest integer up to which a double holds all integers.
const maxExact = 1<<53 - 1

// fromJSON converts canonical JSON to BSON. It never reads Extended JSON: {"$date": …} is an
// object.
func fromJSON(value []byte) any {
	switch value[0] {
	case '{':
		object := bson.D{}
		for name, member := range protocol.Members(value) {
			object = append(object, bson.E{Key: unquote(name), Value: fromJSON(member)})
		}
		return object
	case '[':
		array := bson.A{}
		for element := range protocol.Elements(value) {
			array = append(array, fromJSON(element))
		}
		return array
	case '"':
		return unquote(value)
	case 't', 'f':
		return value[0] == 't'
	case 'n':
		return bson.Null{}
	}
	return number(string(value))
}

func unquote(quoted []byte) string {
	text, _ := jsontext.AppendUnquote(nil, quoted) // canonical JSON is valid
	return string(text)
}

// number converts a number: to int32 or int64 if that is exact, as other programs expect, else to a
// double.
func number(literal string) any {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil && n >= -maxExact && n <= maxExact {
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n)
		}
		return n
	}
	f, _ := strconv.ParseFloat(literal, 64) // canonical JSON has none out of range
	return f
}

// toJSON converts a stored object to canonical JSON. It fails if the JSON rules refuse it, or if a
// value has no JSON form: see the table in docs/operations.md.
func toJSON(object bson.Raw) ([]byte, error) {
	text, err := appendObject(nil, object)
	if err != nil {
		return nil, err
	}
	return protocol.Canonical(text)
}

func appendObject(dst []byte, object bson.Raw) ([]byte, error) {
	elements, err := object.Elements()
	if err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for i, e := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendText(dst, e.Key()); err != nil {
			return nil, err
		}
		if dst, err = appendValue(append(dst, ':'), e.Value()); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendArray(dst []byte, array bson.RawArray) ([]byte, error) {
	values, err := array.Values()
	if err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendValue(dst, v); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

var errNotUTF8 = protocol.Errorf(protocol.CodeInvalidDocument, "the text holds invalid UTF-8")

func appendText(dst []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, errNotUTF8
	}
	return protocol.AppendString(dst, text), nil
}

// appendValue converts a value. Values of types that JSON lacks become strings; only other programs
// store them.
func appendValue(dst []byte, v bson.RawValue) ([]byte, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return appendObject(dst, v.Document())
	case bson.TypeArray:
		return appendArray(dst, v.Array())
	case bson.TypeString:
		return appendText(dst, v.StringValue())
	case bson.TypeBoolean:
		return strconv.AppendBool(dst, v.Boolean()), nil
	case bson.TypeNull, bson.TypeUndefined:
		return append(dst, "null"...), nil
	case bson.TypeInt32:
		return strconv.AppendInt(dst, int64(v.Int32()), 10), nil
	case bson.TypeInt64: // the JSON rules refuse one that a double would round
		return strconv.AppendInt(dst, v.Int64(), 10), nil
	case bson.TypeDouble:
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.AppendFloat(dst, f, 'e', -1, 64), nil
		}
	case bson.TypeDateTime:
		dst = protocol.AppendTime(append(dst, '"'), v.Time())
		return append(dst, '"'), nil
	case bson.TypeObjectID:
		return protocol.AppendString(dst, v.ObjectID().Hex()), nil
	case bson.TypeDecimal128:
		return protocol.AppendString(dst, v.Decimal128().String()), nil
	case bson.TypeBinary:
		_, data := v.Binary()
		return protocol.AppendString(dst, base64.StdEncoding.EncodeToString(data)), nil
	}
	return nil, fmt.Errorf("the BSON value %s has no JSON form", v)
}
