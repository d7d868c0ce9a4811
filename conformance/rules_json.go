package conformance

import (
	"fmt"

	"github.com/secondgate/secondgate/conformance/vectors"
	"github.com/secondgate/secondgate/protocol"
)

// kept are the vectors that make documents.
func kept() (rows []vectors.Vector) {
	for _, v := range vectors.All() {
		if v.Canonical != "" {
			rows = append(rows, v)
		}
	}
	return rows
}

// writeKept writes every kept vector as a document v0, v1, …
func (s *trial) writeKept() []vectors.Vector {
	rows := kept()
	for i, v := range rows {
		s.insert(note(fmt.Sprint("v", i)), v.Input)
	}
	return rows
}

// keptAll ends the attempt unless read finds all rows byte for byte.
func (s *trial) keptAll(rows []vectors.Vector, read func(r protocol.Ref) *protocol.Document) {
	s.Helper()
	for i, v := range rows {
		s.data(v.Name, read(note(fmt.Sprint("v", i))), v.Canonical)
	}
}

var jsonRules = []Rule{
	{
		ID:   "json/get",
		Says: "every kind of JSON that is kept comes back from Get byte for byte",
		Check: func(s *trial) {
			s.keptAll(s.writeKept(), s.get)
		},
	},
	{
		ID:   "json/list",
		Says: "every kind of JSON that is kept comes back from List byte for byte",
		Check: func(s *trial) {
			rows, docs := s.writeKept(), state{"notes": {}}
			for _, d := range s.list(alpha, "notes", nil).Docs {
				docs["notes"][d.ID] = d
			}
			s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return pick(docs["notes"], r.ID) })
		},
	},
	{
		ID:   "json/feed",
		Says: "every kind of JSON that is kept comes from a feed byte for byte",
		Check: func(s *trial) {
			f := s.watch(nil)
			rows := s.writeKept()
			changes := f.until(s.now(), alpha)
			s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return last(changes, r) })
		},
	},
	{
		ID:   "json/since",
		Says: "every kind of JSON that is kept comes from Since byte for byte",
		Check: func(s *trial) {
			from := s.now()
			rows := s.writeKept()
			changes := s.since(alpha, from).Changes
			s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return last(changes, r) })
		},
	},
	{
		ID:   "json/answer",
		Says: "every kind of JSON that is kept is answered to its writer byte for byte",
		Check: func(s *trial) {
			for i, v := range kept() {
				r := note(fmt.Sprint("v", i))
				s.data(v.Name+", inserted", s.insert(r, v.Input).Doc, v.Canonical)
				s.data(v.Name+", merged", s.update(r, v.Input).Doc, v.Canonical)
			}
		},
	},
	{
		ID:   "json/merge",
		Says: "every kind of JSON survives an update of another field",
		Check: func(s *trial) {
			for i, v := range kept() {
				r := note(fmt.Sprint("v", i))
				s.insert(r, v.Input)
				want := protocol.Merge([]byte(v.Canonical), []byte(`{"zz":1}`))
				s.data(v.Name+", answered", s.update(r, `{"zz":1}`).Doc, string(want))
				s.data(v.Name+", read", s.get(r), string(want))
			}
		},
	},
	{
		ID: "json/outside",
		Says: "every kind of JSON that is kept is served in its canonical form, however a stranger " +
			"wrote it",
		Check: func(s *trial) {
			f := s.watch(nil)
			rows := kept()
			for i, v := range rows {
				s.outside(Step{Kind: "insert", Ref: note(fmt.Sprint("v", i)), Data: v.Input})
			}
			end := s.now()
			changes := f.until(end, alpha)
			s.keptAll(rows, func(r protocol.Ref) *protocol.Document { return last(changes, r) })
			s.keptAll(rows, func(r protocol.Ref) *protocol.Document { d, _ := s.getFrom(r, end); return d })
		},
	},
	{
		ID:   "json/hidden",
		Says: "stored fields of the reserved names are hidden, below the top they are ordinary",
		Check: func(s *trial) {
			s.outside(
				Step{
					Kind: "insert", Ref: note("a"),
					Data: `{"_id":"x","_rev":"1","_createdAt":2,"_updatedAt":3,"b":{"_id":4},"_":5}`,
				},
			)
			end := s.now()
			d, _ := s.getFrom(note("a"), end)
			s.data("get", d, `{"_":5,"b":{"_id":4}}`)
			s.data("list", &s.list(alpha, "notes", end).Docs[0], `{"_":5,"b":{"_id":4}}`)
		},
	},
}
