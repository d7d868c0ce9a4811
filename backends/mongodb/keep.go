package mongodb

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// Other programs store dates, ObjectIds and numbers of several types, and their fields in an order of their own. Clients
// see JSON of it. So that a write to one field does not make strings of the dates beside it, whatever a write leaves as it
// was keeps the value that is stored, and its place.

// keeping is canonical JSON as BSON, by way of what is stored now.
func keeping(was bson.RawValue, value []byte) any {
	if old, err := canonicalValue(was); err == nil && bytes.Equal(old, value) {
		return was
	}
	if object, ok := was.DocumentOK(); ok && value[0] == '{' {
		return keepingMembers(object, value)
	}
	if array, ok := was.ArrayOK(); ok && value[0] == '[' {
		return keepingElements(array, value)
	}
	return fromJSON(value)
}

// keepingMembers has those that stay first, in their order. Stored names are unique: others are withheld, and not written.
func keepingMembers(was bson.Raw, value []byte) bson.D {
	left := map[string][]byte{}
	for name, member := range protocol.Members(value) {
		left[unquote(name)] = member
	}
	object := make(bson.D, 0, len(left))
	old, _ := was.Elements() // read before
	for _, e := range old {
		if member, ok := left[e.Key()]; ok {
			object = append(object, bson.E{Key: e.Key(), Value: keeping(e.Value(), member)})
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

func keepingElements(was bson.RawArray, value []byte) bson.A {
	array := bson.A{}
	old, _ := was.Values()
	for element := range protocol.Elements(value) {
		if i := len(array); i < len(old) {
			array = append(array, keeping(old[i], element))
		} else {
			array = append(array, fromJSON(element))
		}
	}
	return array
}

// canonicalValue is what clients see of a stored value.
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
