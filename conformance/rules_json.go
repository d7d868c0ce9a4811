package conformance

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/secondgate/secondgate/protocol"
)

// vectorsJSON is a copy of protocol/testdata/documents.json, for the binary has no files beside it; a test keeps
// the two equal.
//
//go:embed vectors.json
var vectorsJSON []byte

// Vector is a row of the table of JSON that is kept. Canonical is empty where the text is refused, with Code.
type Vector struct {
	Name, Input, Canonical string
	Code                   protocol.Code
	// Hex stands for Input where that is no UTF-8.
	Hex string
}

// Vectors are the rows of the table whose text is written out.
func Vectors() (rows []Vector) {
	var all []Vector
	if err := json.Unmarshal(vectorsJSON, &all); err != nil {
		panic(err) // the file is part of this program
	}
	for _, v := range all {
		if raw, err := hex.DecodeString(v.Hex); err == nil && v.Hex != "" {
			v.Input = string(raw)
		}
		if v.Input != "" {
			rows = append(rows, v)
		}
	}
	return rows
}

// kept are the vectors that make documents.
func kept() (rows []Vector) {
	for _, v := range Vectors() {
		if v.Canonical != "" {
			rows = append(rows, v)
		}
	}
	return rows
}

// writeKept writes every kept vector as a document v0, v1, …
func (s *trial) writeKept() []Vector {
	rows := kept()
	for i, v := range rows {
		s.insert(note(fmt.Sprint("v", i)), v.Input)
	}
	return rows
}

// keptAll ends the attempt unless read finds all rows byte for byte.
func (s *trial) keptAll(rows []Vector, read func(r protocol.Ref) *protocol.Document) {
	s.Helper()
	for i, v := range rows {
		s.data(v.Name, read(note(fmt.Sprint("v", i))), v.Canonical)
	}
}

var jsonRules = []Rule{
	{"json/get", "every kind of JSON that is kept comes back from Get byte for byte", func(t T, h Harness) {
		s := open(t, h)
		s.keptAll(s.writeKept(), s.get)
	}},
	{"json/list", "every kind of JSON that is kept comes back from List byte for byte", func(t T, h Harness) {
		s := open(t, h)
		rows, docs := s.writeKept(), state{"notes": {}}
		for _, d := range s.list(alpha, "notes", nil).Docs {
			docs["notes"][d.ID] = d
		}
		s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return pick(docs["notes"], r.ID) })
	}},
	{"json/feed", "every kind of JSON that is kept comes from a feed byte for byte", func(t T, h Harness) {
		s := open(t, h)
		f := s.watch(nil)
		rows := s.writeKept()
		changes := f.until(s.now(), alpha)
		s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return last(changes, r) })
	}},
	{"json/since", "every kind of JSON that is kept comes from Since byte for byte", func(t T, h Harness) {
		s := open(t, h)
		from := s.now()
		rows := s.writeKept()
		changes := s.since(alpha, from).Changes
		s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return last(changes, r) })
	}},
	{"json/answer", "every kind of JSON that is kept is answered to its writer byte for byte", func(t T, h Harness) {
		s := open(t, h)
		for i, v := range kept() {
			r := note(fmt.Sprint("v", i))
			s.data(v.Name+", inserted", s.insert(r, v.Input).Doc, v.Canonical)
			s.data(v.Name+", merged", s.update(r, v.Input).Doc, v.Canonical)
		}
	}},
	{"json/merge", "every kind of JSON survives an update of another field", func(t T, h Harness) {
		s := open(t, h)
		for i, v := range kept() {
			r := note(fmt.Sprint("v", i))
			s.insert(r, v.Input)
			want := protocol.Merge([]byte(v.Canonical), []byte(`{"zz":1}`))
			s.data(v.Name+", answered", s.update(r, `{"zz":1}`).Doc, string(want))
			s.data(v.Name+", read", s.get(r), string(want))
		}
	}},
	{"json/outside", "every kind of JSON that is kept is served in its canonical form, however a stranger wrote it", func(t T, h Harness) {
		s := open(t, h)
		f := s.watch(nil)
		rows := kept()
		for i, v := range rows {
			s.outside(Step{Kind: "insert", Ref: note(fmt.Sprint("v", i)), Data: v.Input})
		}
		end := s.now()
		changes := f.until(end, alpha)
		s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return last(changes, r) })
		s.keptAll(rows, func(r protocol.Ref) *protocol.Document { d, _ := s.getFrom(r, end); return d })
	}},
	{"json/hidden", "stored fields of the reserved names are hidden, below the top they are ordinary", func(t T, h Harness) {
		s := open(t, h)
		s.outside(Step{Kind: "insert", Ref: note("a"), Data: `{"_id":"x","_rev":"1","_createdAt":2,"_updatedAt":3,"b":{"_id":4},"_":5}`})
		end := s.now()
		d, _ := s.getFrom(note("a"), end)
		s.data("get", d, `{"_":5,"b":{"_id":4}}`)
		s.data("list", &s.list(alpha, "notes", end).Docs[0], `{"_":5,"b":{"_id":4}}`)
	}},
}
