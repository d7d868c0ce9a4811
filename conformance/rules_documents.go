package conformance

import (
	"bytes"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var documentRules = []Rule{
	{
		ID:   "documents/insert",
		Says: "an inserted document reads back as the write's answer showed it",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{"text":"hello","n":1}`)
			s.data("answer", c.Doc, `{"n":1,"text":"hello"}`)
			s.same("get", s.get(note("a")), c.Doc)
		},
	},
	{
		ID:   "documents/missing",
		Says: "a document that does not exist is nil without an error",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			s.same("get of another id", s.get(note("b")), nil)
			s.same(
				"get of a deleted one", func() *protocol.Document { s.delete(note("a")); return s.get(note("a")) }(), nil,
			)
			s.same("get in another collection", s.get(protocol.Ref{Scope: alpha, Collection: "none", ID: "a"}), nil)
		},
	},
	{
		ID:   "documents/times",
		Says: "a document keeps its creation time and is updated at its write's time, in milliseconds",
		Check: func(s *trial) {
			first := time.Date(2026, 1, 2, 3, 4, 5, 678_912_345, time.UTC)
			tx := s.tx(alpha, ins("notes", "a", `{}`))
			tx.At = first
			_, err := s.try(tx)
			s.ok("insert", err)
			tx = s.tx(alpha, upd("notes", "a", `{"n":1}`))
			tx.At = first.Add(time.Hour)
			_, err = s.try(tx)
			s.ok("update", err)
			d := s.get(note("a"))
			s.want("created", d.Created.Format(time.RFC3339Nano), "2026-01-02T03:04:05.678Z")
			s.want("updated", d.Updated.Format(time.RFC3339Nano), "2026-01-02T04:04:05.678Z")
		},
	},
	{
		ID:   "documents/time-moves",
		Says: "an update is at least a millisecond newer than what it updates, whatever the clock says",
		Check: func(s *trial) {
			before := s.insert(note("a"), `{}`).Doc
			tx := s.tx(alpha, upd("notes", "a", `{}`))
			tx.At = before.Updated.Add(-time.Hour)
			_, err := s.try(tx)
			s.ok("update", err)
			s.want("updated", s.get(note("a")).Updated, before.Updated.Add(time.Millisecond))
		},
	},
	{
		ID:   "documents/old-times",
		Says: "times far from now are kept",
		Check: func(s *trial) {
			for _, at := range []time.Time{
				time.Date(1971, 1, 1, 0, 0, 0, 1e6, time.UTC), time.Date(2999, 12, 31, 23, 59, 59, 999e6, time.UTC),
			} {
				tx := s.tx(alpha, ups("notes", "a"+at.Format("2006"), `{}`))
				tx.At = at
				_, err := s.try(tx)
				s.ok("insert", err)
				s.want("created", s.get(note("a"+at.Format("2006"))).Created, at)
			}
		},
	},
	{
		ID:   "documents/rev",
		Says: "the fingerprint is that of data and times, on every way a document can be read",
		Check: func(s *trial) {
			from := s.now()
			s.insert(note("a"), `{"n":1}`)
			want := s.update(note("a"), `{"n":2}`).Doc
			if why := wellFormed(want); why != "" {
				s.Fatalf("answer: %s", why)
			}
			s.everywhere(from, want)
		},
	},
	{
		ID:   "documents/rev-repeats",
		Says: "equal data at equal times has an equal fingerprint, other data another one",
		Check: func(s *trial) {
			at := time.Now()
			revs := map[string]bool{}
			for _, id := range []string{"a", "b"} {
				for _, data := range []string{`{"n":1}`, `{"n":2}`} {
					tx := s.tx(alpha, ins("notes", id+data[5:6], data))
					tx.At = at
					o, err := s.try(tx)
					s.ok("insert", err)
					revs[o.Changes[0].Doc.Rev] = true
				}
			}
			s.want("different fingerprints", len(revs), 2)
		},
	},
	{
		ID:   "documents/ids",
		Says: "every id of the grammar and of the server's form is kept, and told from its likes",
		Check: func(s *trial) {
			ids := []string{
				"a", "A", "-", "_", "0", "00", "a_b", "a-b", "aXb", string(bytes.Repeat([]byte("x"), 128)),
				protocol.NewID(time.Now()),
			}
			for _, id := range ids {
				s.insert(note(id), `{"id":"`+id+`"}`)
			}
			for _, id := range ids {
				s.data("get "+id, s.get(note(id)), `{"id":"`+id+`"}`)
			}
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), len(ids))
		},
	},
	{
		ID:   "documents/strange-names",
		Says: "names outside the grammar are no way to other documents",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			for _, id := range []string{
				"", "%", "_%", "a%", "A'--", "../notes/a", "a\x00", "\xff", "é", `"`, "a/b", "w-1/app/notes/a",
			} {
				s.same("get "+id, s.get(note(id)), nil)
			}
			for _, collection := range []string{"", "%", "note_", "NOTES", "notes\x00", "\xff", `no"tes`} {
				s.same("get in "+collection, s.get(protocol.Ref{Scope: alpha, Collection: collection, ID: "a"}), nil)
				s.want("list of "+collection, len(s.list(alpha, collection, nil).Docs), 0)
			}
		},
	},
	{
		ID:   "documents/collections",
		Says: "collections are counted by name, the empty ones left out",
		Check: func(s *trial) {
			s.commit(
				alpha, ins("notes", "a", `{}`), ins("notes", "b", `{}`), ins("Notes", "a", `{}`), ins("gone", "a", `{}`),
			)
			s.commit(alpha, del("gone", "a"))
			s.commit(beta, ins("others", "a", `{}`))
			s.want("counts", s.counts(nil), map[string]int{"notes": 2, "Notes": 1})
		},
	},
	{
		ID:   "documents/collection-names",
		Says: "a collection may have any name of the grammar: spaces, quotes, dots, other scripts",
		Check: func(s *trial) {
			names := []string{"a b", "a.b", "$x", `q"'`, "日本語", "🎈", "a/b", `a\b`, "%", "_"}
			for _, name := range names {
				r := protocol.Ref{Scope: alpha, Collection: name, ID: "a"}
				c := s.insert(r, `{}`)
				s.same("get in "+name, s.get(r), c.Doc)
				s.want("list of "+name, len(s.list(alpha, name, nil).Docs), 1)
			}
			s.want("collections", len(s.counts(nil)), len(names))
		},
	},
	{
		ID:   "documents/large",
		Says: "a document of a mebibyte is kept as it is, on every way it can be read",
		Check: func(s *trial) {
			from := s.now()
			text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16-2)
			c := s.insert(note("a"), `{"text":"`+string(text)+`"}`)
			s.everywhere(from, c.Doc)
		},
	},
	{
		ID:   "documents/reopen",
		Says: "another process over the same data reads the same documents",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{"n":1}`)
			other := s.over(s.h.Reopen(s, s.b))
			s.same("get", other.get(note("a")), c.Doc)
			d := other.update(note("a"), `{"n":2}`).Doc
			s.same("get of the other's write", s.get(note("a")), d)
		},
	},
}

// everywhere ends the attempt unless notes/ID reads as want by Get, List, a feed and Since.
func (s *trial) everywhere(from backends.Cursor, want *protocol.Document) {
	s.Helper()
	r := note(want.ID)
	s.same("get", s.get(r), want)
	var listed *protocol.Document
	for _, d := range s.list(alpha, "notes", nil).Docs {
		if d.ID == want.ID {
			listed = &d
		}
	}
	s.same("list", listed, want)
	s.same("feed", last(s.watch(from).until(s.now(), alpha), r), want)
	batch, err := s.b.Since(s.ctx, alpha, from, 1<<30)
	s.ok("since", err)
	if len(batch.Lost) > 0 {
		s.Inconclusive("since lost the scope")
	}
	s.same("since", last(batch.Changes, r), want)
}

// last is the last state that changes tell of a document.
func last(changes []backends.Change, r protocol.Ref) (d *protocol.Document) {
	for _, c := range changes {
		if c.Ref == r {
			d = c.Doc
		}
	}
	return d
}
