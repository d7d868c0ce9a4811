package differential_test

import (
	"fmt"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// byFilter is an upsert by filter.
func (a *author) byFilter(p place) backends.Write {
	text, paths := a.filter(p)
	canonical, err := protocol.Canonical([]byte(text))
	if err != nil {
		canonical = []byte(`{"k":1}`)
	}
	f, err := protocol.ParseFilter(canonical, paths)
	if err != nil { // an operator, which no door lets through
		f, _ = protocol.ParseFilter([]byte(`{"k":1}`), paths)
	}
	w := backends.Write{
		Op: backends.Upsert, Collection: p.collection, NewID: a.serverID(), Data: a.data(f.ID),
		Filter: &f, Paths: paths,
	}
	if paths {
		w.Data = a.paths(p, "")
	}
	return w
}

// filter is an object to look for: of what is there, and of what is not.
func (a *author) filter(p place) (text string, paths bool) {
	docs := a.known.list(p)
	if len(docs) == 0 || a.one(4) {
		return a.blind(), a.one(4)
	}
	d := oneOf(a, docs)
	switch a.IntN(8) {
	case 0:
		return fmt.Sprintf(`{"_id":%q}`, d.ID), false
	case 1:
		return join(a.some(d.Data, map[string]string{"_id": fmt.Sprintf("%q", d.ID)})), false
	case 2: // it is there and does not match
		return fmt.Sprintf(`{"_id":%q,"never":0}`, d.ID), false
	case 3:
		if names := nested(d.Data); len(names) > 0 {
			name := oneOf(a, names)
			if value, ok := protocol.Lookup(d.Data, name, true); ok {
				return join(map[string]string{name: string(value)}), true
			}
		}
	}
	return join(a.some(d.Data, map[string]string{})), a.one(8)
}

// some adds one to three members of an object.
func (a *author) some(object []byte, to map[string]string) map[string]string {
	wanted := 1 + a.IntN(3)
	for quoted, value := range protocol.Members(object) {
		if wanted > 0 && a.one(2) && len(value) < 1000 {
			to[unquoted(quoted)] = string(value)
			wanted--
		}
	}
	return to
}

// blind is a filter that was made without looking.
func (a *author) blind() string {
	switch a.IntN(8) {
	case 0:
		return fmt.Sprintf(`{"_id":%q}`, a.serverID())
	case 1:
		return fmt.Sprintf(`{"_id":%q,"k":1}`, oneOf(a, clientIDs))
	case 2:
		return fmt.Sprintf(`{"_id":%q}`, oneOf(a, []string{"a/b", "é", "..", longID + "x"}))
	case 3:
		return `{"missing":null}`
	case 4:
		return "{}"
	default:
		return join(map[string]string{a.name(): oneOf(a, scalars), a.name(): a.value(1)})
	}
}
