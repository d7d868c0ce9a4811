package mongodb

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// What the server looks up for a filter. Every document that the filter matches fulfils the
// condition, and others may: [protocol.Filter] decides what matches.

// lookup is a condition on one field: it has one of the values, or with null it is null.
type lookup struct {
	field  string // below data
	values bson.A
	null   bool
}

// nulls are the types that clients see as null. A condition on the value null would also find
// documents without the field.
var nulls = bson.D{{Key: "$type", Value: bson.A{"null", "undefined"}}}

func (l *lookup) condition() bson.E {
	path := "data." + l.field
	switch {
	case !l.null:
		return bson.E{Key: path, Value: bson.D{{Key: "$in", Value: l.values}}}
	case len(l.values) == 0:
		return bson.E{Key: path, Value: nulls}
	}
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: path, Value: bson.D{{Key: "$in", Value: l.values}}}}, bson.D{{Key: path, Value: nulls}},
	}}
}

// add widens the condition by a value, as clients see it.
func (l *lookup) add(value []byte) {
	if value[0] == 'n' {
		l.null = true
	} else {
		l.values = append(l.values, storedForms(value)...)
	}
}

// leaf is a value somewhere in a filter that is no object or array with members.
type leaf struct {
	field string
	value []byte
}

// leafOf returns a leaf of the filter that an index can serve, preferably of a value that few
// documents have: a scalar of the filter itself, then one inside of a value, then null. The index
// holds the elements of an array one by one.
func leafOf(f *protocol.Filter) (best leaf, ok bool) {
	rank := func(l leaf, top bool) int {
		switch {
		case l.value[0] == 'n':
			return 0
		case l.value[0] == '{' || l.value[0] == '[':
			return 1
		case !top:
			return 2
		}
		return 3
	}
	most := -1
	for _, c := range f.Conditions {
		if !indexableName(c.Field, f.Paths) {
			continue
		}
		for _, l := range leaves(nil, c.Field, c.Value) {
			if n := rank(l, l.field == c.Field && c.Value[0] != '['); n > most && len(l.field) <= maxFieldName {
				best, most = l, n
			}
		}
	}
	return best, most >= 0
}

// leaves appends the leaves of a value. An array in an array has none: an index holds it as a whole.
func leaves(all []leaf, field string, value []byte) []leaf {
	switch {
	case value[0] == '{' && len(value) > 2:
		for quoted, member := range protocol.Members(value) {
			if name := unquote(quoted); indexableName(name, false) && !isNumber(name) {
				all = leaves(all, field+"."+name, member)
			}
		}
		return all
	case value[0] == '[' && len(value) > 2:
		for element := range protocol.Elements(value) {
			if element[0] != '[' {
				all = leaves(all, field, element)
			}
		}
		return all
	}
	return append(all, leaf{field, value})
}

// indexableName reports whether an index can have the field. Paths with numbers may lead through
// arrays. The server refuses documents in which such a path of an index has two meanings.
func indexableName(field string, paths bool) bool {
	if !utf8.ValidString(field) || !paths {
		return utf8.ValidString(field) && plainName(field)
	}
	parts := strings.Split(field, ".")
	return !slices.ContainsFunc(parts, func(part string) bool { return !plainName(part) }) &&
		!slices.ContainsFunc(parts[1:], isNumber)
}

// plainName reports whether a condition can name the field as it is.
func plainName(field string) bool {
	return field != "" && !strings.HasPrefix(field, "$") && !strings.ContainsAny(field, ".\x00")
}

func isNumber(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
}

// conditionsOf returns the look-ups of upserts by filter, one for each field that an index can
// serve. rest are the upserts without one.
func conditionsOf(writes []*backends.Write) (byField map[string]*lookup, rest []*backends.Write) {
	byField = map[string]*lookup{}
	for _, w := range writes {
		l, ok := leafOf(w.Filter)
		if !ok {
			rest = append(rest, w)
			continue
		}
		if byField[l.field] == nil {
			byField[l.field] = &lookup{field: l.field}
		}
		byField[l.field].add(l.value)
	}
	return byField, rest
}

// anyOf is a condition that every document fulfils which one of the filters matches.
func anyOf(writes []*backends.Write) bson.E {
	byField, rest := conditionsOf(writes)
	all := bson.A{}
	for _, l := range byField {
		all = append(all, bson.D{l.condition()})
	}
	for _, w := range rest {
		all = append(all, prefilter(w.Filter))
	}
	return bson.E{Key: "$or", Value: all}
}

// prefilter is the condition of a filter that no index can serve.
func prefilter(f *protocol.Filter) bson.D {
	for _, c := range f.Conditions {
		if plainName(c.Field) {
			return bson.D{{Key: "data." + c.Field, Value: bson.D{{Key: "$exists", Value: true}}}}
		}
	}
	return bson.D{}
}
