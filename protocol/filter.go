package protocol

import (
	"bytes"
	"strings"
)

// MaxConditions is the greatest number of members of a filter.
const MaxConditions = 64

// Condition is one equality of a filter: the field's canonical JSON value.
type Condition struct {
	Field string
	Value []byte
}

// Filter decides which document an upsert means: equality of canonical JSON on top-level fields, or
// with Paths on nested ones. Databases only prefilter; what matches is decided here.
type Filter struct {
	Conditions []Condition
	// ID is set when the filter names _id.
	ID    string
	Paths bool
}

// ParseFilter reads a canonical filter object. It fails with invalid_filter on operators: a value
// that is an object with a name beginning with $, and on more than MaxConditions members.
func ParseFilter(object []byte, paths bool) (Filter, error) {
	f := Filter{Paths: paths}
	members := 0
	for name, value := range Members(object) {
		if members++; members > MaxConditions {
			return Filter{}, Errorf(CodeInvalidFilter, "a filter has at most %d members", MaxConditions)
		}
		if operator(value) {
			return Filter{}, Errorf(
				CodeInvalidFilter, "the filter on %s is an operator: only equality is supported", name,
			)
		}
		field := unquote(name)
		if field != "_id" && hidden(name) {
			return Filter{}, Errorf(CodeInvalidFilter, "a filter cannot name %s: it is no field of the data", field)
		}
		if field != "_id" {
			f.Conditions = append(f.Conditions, Condition{field, value})
			continue
		}
		if value[0] != '"' || len(value) == 2 {
			return Filter{}, Errorf(CodeInvalidFilter, "the filter's _id must be a string")
		}
		f.ID = unquote(value)
	}
	return f, nil
}

func operator(value []byte) bool {
	if value[0] != '{' {
		return false
	}
	for name := range Members(value) {
		if strings.HasPrefix(unquote(name), "$") {
			return true
		}
	}
	return false
}

// Matches tells whether d has every value the filter names. Null matches a stored null only.
func (f Filter) Matches(d *Document) bool {
	if f.ID != "" && f.ID != d.ID {
		return false
	}
	for _, c := range f.Conditions {
		if !bytes.Contains(d.Data, c.Value) { // which costs less than a walk, and most documents do not match
			return false
		}
		value, ok := Lookup(d.Data, c.Field, f.Paths)
		if !ok || !bytes.Equal(value, c.Value) {
			return false
		}
	}
	return true
}

// Object is the filter's conditions as a canonical object: the fields that a newly made document
// gets.
func (f Filter) Object() []byte {
	return buildObject(func(add func(name, value []byte)) {
		for _, c := range f.Conditions {
			add(AppendString(nil, c.Field), c.Value)
		}
	})
}
