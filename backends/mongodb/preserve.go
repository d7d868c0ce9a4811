package mongodb

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// Other programs store dates, ObjectIds, numbers of several types, and fields in any order. Clients
// see them as JSON. A write of one field must not turn the dates beside it into strings. So a value
// that a write leaves unchanged keeps its stored form and its place.

// preserve converts canonical JSON to BSON. Parts that equal what is stored keep their stored form.
func preserve(was bson.RawValue, value []byte) any {
	if old, err := canonicalValue(was); err == nil && bytes.Equal(old, value) {
		return was
	}
	if object, ok := was.DocumentOK(); ok && value[0] == '{' {
		return preserveMembers(object, value)
	}
	if array, ok := was.ArrayOK(); ok && value[0] == '[' {
		return preserveElements(array, value)
	}
	return fromJSON(value)
}

// preserveMembers puts the members that stay first, in their stored order. Stored names are unique:
// a document with a name twice is withheld, and cannot be written.
func preserveMembers(was bson.Raw, value []byte) bson.D {
	left := map[string][]byte{}
	for name, member := range protocol.Members(value) {
		left[unquote(name)] = member
	}
	object := make(bson.D, 0, len(left))
	old, _ := was.Elements() // it has been read before
	for _, e := range old {
		if member, ok := left[e.Key()]; ok {
			object = append(object, bson.E{Key: e.Key(), Value: preserve(e.Value(), member)})
			delete(left, e.Key())
		}
	}
	for name := range protocol.Members(value) {
		if member, ok := left[unquote(name)]; ok {
			object = append(object, bson.E{Key: unquote(name), Value: fromJSON(member)})
		}
	}
	return object
}

// preserveElements compares elements by their position.
func preserveElements(was bson.RawArray, value []byte) bson.A {
	array := bson.A{}
	old, _ := was.Values()
	for element := range protocol.Elements(value) {
		if i := len(array); i < len(old) {
			array = append(array, preserve(old[i], element))
		} else {
			array = append(array, fromJSON(element))
		}
	}
	return array
}

// canonicalValue is a stored value as clients see it.
func canonicalValue(v bson.RawValue) ([]byte, error) {
	text, err := appendValue([]byte(`{"v":`), v)
	if err != nil {
		return nil, err
	}
	if text, err = protocol.Canonical(append(text, '}')); err != nil {
		return nil, err
	}
	return text[len(`{"v":`) : len(text)-1], nil
}
