package conformance

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// rounded is JSON that databases take and the rules refuse: an integer that no double holds.
const rounded = `{"n":9007199254740993}`

// told runs a stranger's steps and returns the changes of alpha that a feed tells of them, each
// batch exact.
func (s *trial) told(commit bool, steps ...Step) []backends.Change {
	s.Helper()
	f := s.watch(s.now(), neighbours...)
	s.h.Outside(s, s.b).Do(s, commit, steps...)
	return f.until(s.now(), alpha)
}

// after ends the attempt unless a bounded read, the told changes and the oracle agree that r holds
// data.
func (s *trial) after(r protocol.Ref, changes []backends.Change, data string) {
	s.Helper()
	d, c := s.getFrom(r, s.now())
	s.data("get", d, data)
	s.data("feed", last(changes, r), data)
	s.same("oracle", pick(s.oracle(s, r.Scope, c)[r.Collection], r.ID), d)
}

var outsideRules = []Rule{
	{
		ID:   "outside/insert",
		Says: "a stranger's insert is served and told",
		Check: func(s *trial) {
			s.after(note("a"), s.told(true, Step{Kind: "insert", Ref: note("a"), Data: `{"n":1}`}), `{"n":1}`)
		},
	},
	{
		ID:   "outside/update",
		Says: "a stranger's update of data is served and told",
		Check: func(s *trial) {
			old := s.insert(note("a"), `{"n":1}`).Doc
			s.after(note("a"), s.told(true, Step{Kind: "update", Ref: note("a"), Data: `{"m":2}`}), `{"m":2}`)
			d, _ := s.getFrom(note("a"), s.now())
			s.want("it has another rev", d.Rev != old.Rev, true)
			s.want("what is wrong with it", wellFormed(d), "")
		},
	},
	{
		ID:   "outside/replace",
		Says: "a stranger's REPLACE is served and told, over a document and over none",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			changes := s.told(
				true, Step{Kind: "replace", Ref: note("a"), Data: `{"m":2}`},
				Step{Kind: "replace", Ref: note("b"), Data: `{"m":3}`},
			)
			s.after(note("a"), changes, `{"m":2}`)
			s.after(note("b"), changes, `{"m":3}`)
		},
	},
	{
		ID:   "outside/delete",
		Says: "a stranger's delete is served and told",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			changes := s.told(true, Step{Kind: "delete", Ref: note("a")})
			s.after(note("a"), changes, "")
			s.want("the feed tells it", len(changes) > 0, true)
		},
	},
	{
		ID:   "outside/move",
		Says: "a stranger's change of a key is a delete there and an insert here",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			changes := s.told(true, Step{Kind: "move", Ref: note("a"), To: note("b")})
			s.after(note("a"), changes, "")
			s.after(note("b"), changes, `{"n":1}`)
		},
	},
	{
		ID:   "outside/move-scope",
		Says: "a stranger who moves a document to another scope takes it out of the old one",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			to := protocol.Ref{Scope: beta, Collection: "others", ID: "z"}
			s.after(note("a"), s.told(true, Step{Kind: "move", Ref: note("a"), To: to}), "")
			d, c := s.getFrom(to, s.now())
			s.data("get in the new scope", d, `{"n":1}`)
			s.same("oracle of the new scope", pick(s.oracle(s, beta, c)["others"], "z"), d)
		},
	},
	{
		ID:   "outside/swap",
		Says: "a stranger may swap two keys in one transaction",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			s.insert(note("b"), `{"n":2}`)
			changes := s.told(
				true, Step{Kind: "move", Ref: note("a"), To: note("c")},
				Step{Kind: "move", Ref: note("b"), To: note("a")}, Step{Kind: "move", Ref: note("c"), To: note("b")},
			)
			s.after(note("a"), changes, `{"n":2}`)
			s.after(note("b"), changes, `{"n":1}`)
			s.after(note("c"), changes, "")
		},
	},
	{
		ID:   "outside/rolled-back",
		Says: "a stranger's transaction that is rolled back is never served nor told",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{"n":1}`)
			changes := s.told(
				false, Step{Kind: "update", Ref: note("a"), Data: `{"n":2}`},
				Step{Kind: "insert", Ref: note("b"), Data: `{}`}, Step{Kind: "delete", Ref: note("a")},
			)
			s.want("changes", len(changes), 0)
			d, _ := s.getFrom(note("a"), s.now())
			s.same("get", d, c.Doc)
			s.want("documents", len(s.list(alpha, "notes", s.now()).Docs), 1)
		},
	},
	{
		ID:   "outside/large",
		Says: "a stranger's large transaction is one transaction",
		Check: func(s *trial) {
			var steps []Step
			for i := range 2000 {
				steps = append(
					steps, Step{Kind: "insert", Ref: note(fmt.Sprintf("d%04d", i)), Data: fmt.Sprintf(`{"n":%d}`, i)},
				)
			}
			f := s.watch(s.now(), alpha)
			s.outside(steps...)
			for end := s.now(); !f.cursor.Reached(end); {
				told := 0
				for _, c := range f.next().Changes {
					if c.Ref.Scope == alpha {
						told++
					}
				}
				s.want("changes left of a transaction of 2000", told%2000, 0)
			}
			s.want("documents", len(s.list(alpha, "notes", f.cursor).Docs), 2000)
		},
	},
	{
		ID:   "outside/many-steps",
		Says: "a stranger's steps on one document in one transaction leave the last",
		Check: func(s *trial) {
			changes := s.told(
				true,
				Step{Kind: "insert", Ref: note("a"), Data: `{"n":1}`},
				Step{Kind: "update", Ref: note("a"), Data: `{"n":2}`},
				Step{
					Kind: "delete", Ref: note("a"),
				},
				Step{Kind: "insert", Ref: note("a"), Data: `{"n":3}`},
				Step{Kind: "insert", Ref: note("b"), Data: `{}`},
				Step{Kind: "delete", Ref: note("b")},
			)
			s.after(note("a"), changes, `{"n":3}`)
			s.after(note("b"), changes, "")
		},
	},
	{
		ID: "outside/withheld",
		Says: "data that the rules of JSON refuse is withheld as if it were not there, and stops " +
			"nothing",
		Check: func(s *trial) {
			for i, data := range []string{
				rounded, `{"n":1e400}`, `{"a":` + strings.Repeat(`[`, 64) + strings.Repeat(`]`, 64) + `}`,
			} {
				bad, good := note(fmt.Sprint("bad", i)), note(fmt.Sprint("good", i))
				changes := s.told(
					true, Step{Kind: "insert", Ref: bad, Data: data}, Step{Kind: "insert", Ref: good, Data: `{}`},
				)
				s.after(bad, changes, "")
				s.after(good, changes, `{}`)
				s.want("documents", len(s.list(alpha, "notes", s.now()).Docs), i+1)
			}
		},
	},
	{
		ID: "outside/withheld-kept",
		Says: "no write replaces or removes a document that is withheld, and its stranger can still " +
			"mend it",
		Check: func(s *trial) {
			s.outside(Step{Kind: "insert", Ref: note("a"), Data: rounded})
			s.refuse(protocol.CodeAlreadyExists, alpha, ins("notes", "a", `{"n":1}`))
			s.refuse(protocol.CodeAlreadyExists, alpha, ups("notes", "a", `{"n":1}`))
			s.refuse(protocol.CodeNotFound, alpha, upd("notes", "a", `{"n":1}`))
			s.refuse(protocol.CodeNotFound, alpha, del("notes", "a"))
			s.after(note("a"), s.told(true, Step{Kind: "update", Ref: note("a"), Data: `{"n":2}`}), `{"n":2}`)
		},
	},
	{
		ID:   "outside/spoilt",
		Says: "a document that a stranger spoils is gone, and back when it is mended",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			s.after(note("a"), s.told(true, Step{Kind: "update", Ref: note("a"), Data: rounded}), "")
			s.after(note("a"), s.told(true, Step{Kind: "update", Ref: note("a"), Data: `{"n":2}`}), `{"n":2}`)
			s.update(note("a"), `{"m":3}`)
			s.data("get", s.get(note("a")), `{"m":3,"n":2}`)
		},
	},
	{
		ID:   "outside/since",
		Says: "Since tells a stranger's writes as it tells all others",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			from := s.now()
			s.outside(
				Step{Kind: "move", Ref: note("a"), To: note("b")}, Step{Kind: "insert", Ref: note("c"), Data: rounded},
				Step{Kind: "replace", Ref: note("d"), Data: `{ }`},
			)
			batch := s.since(alpha, from)
			s.held("since", alpha, from, batch)
			s.data("moved", last(batch.Changes, note("b")), `{"n":1}`)
			s.data("withheld", last(batch.Changes, note("c")), "")
			s.data("replaced", last(batch.Changes, note("d")), `{}`)
		},
	},
	{
		ID:   "outside/strange-keys",
		Says: "ids and collection names outside the grammar that strangers wrote are served as they are",
		Check: func(s *trial) {
			refs := []protocol.Ref{
				note("a b"), note("é/ü"), note(`q"'`), note("%"), {Scope: alpha, Collection: "no/tes", ID: "x y"},
				{Scope: alpha, Collection: strings.Repeat("n", 200), ID: "a"},
			}
			var steps []Step
			for _, r := range refs {
				steps = append(steps, Step{Kind: "insert", Ref: r, Data: `{"n":1}`})
			}
			changes := s.told(true, steps...)
			for _, r := range refs {
				s.after(r, changes, `{"n":1}`)
				s.update(r, `{"n":2}`)
				s.data("get after an update", s.get(r), `{"n":2}`)
				s.delete(r)
				s.same("get after a delete", s.get(r), nil)
			}
		},
	},
	{
		ID:   "outside/history",
		Says: "any random history of strangers and gateways leaves feed, list and oracle of one mind",
		Check: func(s *trial) {
			f := s.watch(nil, alpha)
			for i := range 150 {
				if i%3 == 0 {
					s.scribble(s.rng, i)
					continue
				}
				s.h.Outside(s, s.b).Do(s, s.rng.IntN(5) > 0, randomSteps(s.rng, i)...)
			}
			f.until(s.now(), alpha)
			s.exactly(alpha, "notes", s.list(alpha, "notes", f.cursor))
		},
	},
}
