package differential_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/conformance/vectors"
	"github.com/secondgate/secondgate/protocol"
)

// kept are the rows of the table of JSON that make documents.
var kept = slices.DeleteFunc(vectors.All(), func(v vectors.Vector) bool { return v.Canonical == "" })

var (
	plainNames = []string{"k", "k", "k", "n", "l", "o", "title"}
	oddNames   = []string{
		"", "$ref", "$id", "$db", "a.b", "$x", "$set", "__proto__", "constructor", "0", "é", `q"\`, " ", "k ", "K",
		"_", "ￏ😀", "o.k", "data.k", "_ID", "it's",
	}
	// scalars are few, so that filters meet what is stored.
	scalars = []string{
		"0", "1", "2", "1", "2", "null", "null", "true", "false", `""`, `"x"`, `"X"`, `"1"`, "1.5", "-1", "1e21", "1e-7", "9007199254740991", "-9007199254740991",
		"1.7976931348623157e308", "5e-324", "0.1", "123456789012", "2147483648", `"$k"`, `"a.b"`, `"2024-01-01T00:00:00Z"`, `"\u2028\u0001"`, `"😀"`, `"é"`, `"é"`,
	}
)

// data is what a write has for the document with that id.
func (a *author) data(id string) []byte {
	text := a.object(0)
	if a.one(8) {
		text = oneOf(a, kept).Canonical
	}
	if a.one(20) {
		text = strings.Replace(
			text, "{", fmt.Sprintf(`{"_id":%s,"_updatedAt":7,`, protocol.AppendString(nil, id)), 1,
		)
	}
	return writable(text, id)
}

// writable is the text as a gateway gives it to a backend; an empty object where that would refuse
// it.
func writable(text, id string) []byte {
	canonical, err := protocol.Canonical([]byte(text))
	if err == nil {
		canonical, err = protocol.Writable(canonical, id)
	}
	if err != nil {
		return []byte("{}")
	}
	return canonical
}

// object has up to five members, at the top sometimes a huge one.
func (a *author) object(depth int) string {
	members := map[string]string{}
	for range a.IntN(6) {
		members[a.name()] = a.value(depth + 1)
	}
	if depth == 0 && a.one(300) {
		members["big"] = `"` + strings.Repeat("0123456789", 1+a.IntN(3000)) + `"`
	}
	if depth == 0 && a.one(150) {
		n := 40 + a.IntN(24)
		members["deep"] = strings.Repeat("[", n) + strings.Repeat("]", n)
	}
	return join(members)
}

// join is the text of an object, in an order of its own.
func join(members map[string]string) string {
	var text []string
	for name, value := range members {
		text = append(text, string(protocol.AppendString(nil, name))+":"+value)
	}
	slices.Sort(text)
	return "{" + strings.Join(text, ",") + "}"
}

func (a *author) name() string {
	if a.one(4) {
		return oneOf(a, oddNames)
	}
	return oneOf(a, plainNames)
}

func (a *author) value(depth int) string {
	switch n := a.IntN(10); {
	case n == 0 && depth < 4:
		return a.object(depth)
	case n == 1 && depth < 4:
		var elements []string
		for range a.IntN(4) {
			elements = append(elements, a.value(depth+1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	default:
		return oneOf(a, scalars)
	}
}

// paths are fields to set by path: in what the document has, mostly.
func (a *author) paths(p place, id string) []byte {
	members := map[string]string{}
	for range 1 + a.IntN(2) {
		members[a.path(p, id)] = a.value(2)
	}
	return writable(join(members), id)
}

func (a *author) path(p place, id string) string {
	if d := a.known.get(protocol.Ref{Scope: p.scope, Collection: p.collection, ID: id}); d != nil && !a.one(4) {
		if names := nested(d.Data); len(names) > 0 {
			return oneOf(a, names)
		}
	}
	return oneOf(
		a,
		[]string{
			"o.k", "o.o.k", "l.0", "l.3", "k", "k.x", "a..b", ".", "", "0.0", "o.__proto__", "l.01", "big.x", "o.$x",
		},
	)
}

// nested are paths to what is inside the members of an object, and to what could be.
func nested(object []byte) (paths []string) {
	for quoted, value := range protocol.Members(object) {
		name := unquoted(quoted)
		switch value[0] {
		case '{':
			for inner := range protocol.Members(value) {
				paths = append(paths, name+"."+unquoted(inner))
			}
			paths = append(paths, name+".new")
		case '[':
			paths = append(paths, name+".0", name+".2")
		}
	}
	return paths
}

// unquoted is a name as text. It is canonical JSON, so that nothing can fail.
func unquoted(name []byte) (text string) {
	_ = json.Unmarshal(name, &text)
	return text
}
