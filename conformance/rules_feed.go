package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var feedRules = []Rule{
	{
		ID:   "feed/every",
		Says: "a feed tells every committed change's document in its last state",
		Check: func(s *trial) {
			f := s.watch(nil)
			for i := range 30 {
				s.insert(note(fmt.Sprint("d", i)), `{"n":1}`)
			}
			for i := range 10 {
				s.update(note(fmt.Sprint("d", i)), `{"n":2}`)
				s.delete(note(fmt.Sprint("d", i+10)))
			}
			got := state{}.applyAll(alpha, f.until(s.now(), alpha))
			s.want("the fold of all changes", diff(got, s.oracle(s, alpha, f.cursor)), "")
			s.want("documents", len(got["notes"]), 20)
		},
	},
	{
		ID:   "feed/fields",
		Says: "a document is told whole, wherever in it an update has added and changed fields",
		Check: func(s *trial) {
			f := s.watch(nil)
			s.insert(note("a"), `{"deep":[[]],"k":1.5,"l":"x","o":[],"title":1}`)
			for _, patch := range []string{
				`{"n":"y","title":false}`, `{"o.k":null}`, `{"a":{"c":1,"e":2}}`, `{"a":{"b":0,"c":1,"d":[],"e":3}}`,
				`{"$ref":1,"":2,"l":{}}`,
			} {
				c := s.update(note("a"), patch)
				s.same("after "+patch, last(f.until(s.now(), alpha), note("a")), c.Doc)
			}
		},
	},
	{
		ID:   "feed/order",
		Says: "changes of one document arrive in commit order",
		Check: func(s *trial) {
			f := s.watch(nil)
			crowd := s.background(3, func(on *trial) {
				n := on.rng.IntN(1000)
				on.commit(
					alpha, ups("notes", fmt.Sprint("d", n%2), fmt.Sprintf(`{"n":%d}`, n)),
					ups("notes", fmt.Sprint("e", n%5), `{}`),
				)
			})
			seen := map[string]time.Time{} // a write is always newer than what it replaces
			for range crowd.turns(80) {
				for _, c := range f.next().Changes {
					if c.Ref.Scope != alpha {
						continue
					}
					if before := seen[c.Ref.ID]; !c.Doc.Updated.After(before) {
						s.Fatalf("%s: got the state of %v after that of %v", c.Ref, c.Doc.Updated, before)
					}
					seen[c.Ref.ID] = c.Doc.Updated
				}
			}
			crowd.stop()
		},
	},
	{
		ID:   "feed/exact",
		Says: "every batch, applied to the state at its beginning, gives the state at its cursor",
		Check: func(s *trial) {
			f := s.watch(nil, alpha, beta)
			crowd := s.churn(5)
			for range crowd.turns(80) {
				f.next()
			}
			crowd.stop()
			f.until(s.now(), alpha)
		},
	},
	{
		ID:   "feed/covers",
		Says: "a batch tells changes that its cursor covers and its beginning does not",
		Check: func(s *trial) {
			f := s.watch(nil)
			crowd := s.churn(4)
			for range crowd.turns(60) {
				from := f.cursor
				s.between(from, f.next())
			}
			crowd.stop()
		},
	},
	{
		ID:   "feed/answered",
		Says: "the change in a write's answer is covered by exactly the cursors that show it",
		Check: func(s *trial) {
			f := s.watch(s.now())
			for i := range 10 {
				c := s.upsert(note("a"), fmt.Sprintf(`{"n":%d}`, i))
				s.want("covered before the feed tells it", f.cursor.Covers(c), false)
				for !f.cursor.Covers(c) {
					f.next()
				}
				s.same("the state at that cursor", pick(s.oracle(s, alpha, f.cursor)["notes"], "a"), c.Doc)
				_, at := s.getFrom(note("a"), nil)
				s.want("covered by a read after the answer", at.Covers(c), true)
			}
		},
	},
	{
		ID:   "feed/from-now",
		Says: "whatever is acknowledged after Watch has returned is told",
		Check: func(s *trial) {
			for i := range 30 {
				f := s.watch(nil)
				c := s.upsert(note("a"), fmt.Sprintf(`{"n":%d}`, i))
				s.same("feed", last(f.until(s.now(), alpha), note("a")), c.Doc)
				f.stop()
			}
		},
	},
	{
		ID:   "feed/shape",
		Says: "a delete carries no document, anything else a well-formed one, and no change its past",
		Check: func(s *trial) {
			f := s.watch(nil)
			crowd := s.churn(3)
			for range crowd.turns(60) {
				for _, c := range f.next().Changes {
					s.want(c.Ref.String()+" is a delete", c.Op == backends.Delete, c.Doc == nil)
					s.want("before", c.Before == nil, true)
					s.want(
						"operation is one", c.Op == backends.Insert || c.Op == backends.Update || c.Op == backends.Delete, true,
					)
					if c.Doc != nil {
						s.want("what is wrong with "+show(c.Doc), wellFormed(c.Doc), "")
						s.want("id", c.Doc.ID, c.Ref.ID)
					}
				}
			}
			crowd.stop()
		},
	},
	{
		ID:   "feed/cursor",
		Says: "a feed's Cursor is that of its last batch, at first the one it began at",
		Check: func(s *trial) {
			from := s.now()
			f := s.watch(from)
			s.insert(note("a"), `{}`)
			for end := s.now(); !f.cursor.Reached(end); {
				batch := f.next()
				c := f.feed.Cursor()
				s.want("equal", c.Reached(batch.Cursor) && batch.Cursor.Reached(c), true)
			}
		},
	},
	{
		ID:   "feed/two",
		Says: "two feeds do not take changes from each other",
		Check: func(s *trial) {
			f, g := s.watch(nil, alpha), s.over(s.h.Reopen(s, s.b)).watch(nil)
			for i := range 20 {
				s.insert(note(fmt.Sprint("d", i)), `{}`)
			}
			end := s.now()
			s.want("documents told by one", len(state{}.applyAll(alpha, f.until(end, alpha))["notes"]), 20)
			s.want("documents told by the other", len(state{}.applyAll(alpha, g.until(end, alpha))["notes"]), 20)
		},
	},
	{
		ID:   "feed/other-process",
		Says: "a feed tells what another process commits, unpoked",
		Check: func(s *trial) {
			f, other := s.watch(s.now(), alpha), s.over(s.h.Reopen(s, s.b))
			c := other.insert(note("a"), `{"n":1}`)
			s.same("feed", last(f.until(s.now(), alpha), note("a")), c.Doc)
		},
	},
	{
		ID:   "feed/poke",
		Says: "Poke never blocks, whoever calls it and however often",
		Check: func(s *trial) {
			f := s.watch(s.now())
			feed := f.feed
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					for range 500 {
						feed.Poke()
					}
				})
			}
			group.Wait()
			c := s.insert(note("a"), `{}`)
			feed.Poke()
			s.same("feed", last(f.until(s.now(), alpha), note("a")), c.Doc)
		},
	},
	{
		ID:   "feed/resume",
		Says: "a feed watched again from any of its cursors tells the rest, and nothing else",
		Check: func(s *trial) {
			f := s.watch(nil, alpha)
			crowd := s.churn(4)
			for range crowd.turns(60) {
				f.next()
				if s.rng.IntN(2) == 0 {
					f.stop()
					f.start(s.reparse(f.cursor))
				}
			}
			crowd.stop()
			f.until(s.now(), alpha)
		},
	},
	{
		ID:   "feed/resume-anywhere",
		Says: "a feed may begin at the cursor of any read",
		Check: func(s *trial) {
			crowd := s.churn(4)
			var pages []backends.Page
			for range crowd.turns(10) {
				pages = append(pages, s.list(alpha, "notes", nil))
			}
			crowd.stop()
			for end, i := s.now(), 0; i < len(pages); i++ {
				f := s.watch(s.reparse(pages[i].Cursor), alpha)
				got := join(pages[i], f.until(end, alpha))
				want := map[string]map[string]protocol.Document{"notes": s.oracle(s, alpha, f.cursor)["notes"]}
				s.want("list and feed", diff(got, want), "")
				f.stop()
			}
		},
	},
	{
		ID:   "feed/no-repeats",
		Says: "a feed does not go back to a state that a later one has replaced",
		Check: func(s *trial) {
			f := s.watch(s.now())
			seen := -1
			for i := range 40 {
				s.upsert(note("a"), fmt.Sprintf(`{"n":%d}`, i))
				for _, c := range f.next().Changes {
					if c.Ref != note("a") {
						continue
					}
					n := 0
					if _, err := fmt.Sscanf(string(c.Doc.Data), `{"n":%d}`, &n); err != nil || n <= seen {
						s.Fatalf("got state %s after state %d", c.Doc.Data, seen)
					}
					seen = n
				}
			}
		},
	},
	{
		ID:   "feed/too-big",
		Says: "a transaction over the byte bound of a scope makes that scope lost, and no other",
		Check: func(s *trial) {
			f, lost := s.watch(s.now()), 0
			f.onLost = func(b backends.Batch) {
				if b.LostAll || !slices.Equal(b.Lost, []protocol.Scope{alpha}) {
					s.Fatalf("lost: got %v (all: %v) want %v", b.Lost, b.LostAll, alpha)
				}
				lost++
			}
			half := `{"text":"` + strings.Repeat("x", backends.MaxScopeBatch/8) + `"}`
			var writes []backends.Write
			for i := range 9 {
				writes = append(writes, ins("notes", fmt.Sprint("d", i), half))
			}
			s.commit(alpha, writes...)
			c := s.insert(protocol.Ref{Scope: beta, Collection: "notes", ID: "a"}, `{}`)
			told := f.until(s.now(), beta)
			s.want("times the scope was lost", lost, 1)
			s.same("the other scope", last(told, c.Ref), c.Doc)
			s.want("documents", len(s.list(alpha, "notes", f.cursor).Docs), 9)
		},
	},
	{
		ID:   "feed/bounded",
		Says: "no batch holds more than the byte bound of a scope",
		Check: func(s *trial) {
			f := s.watch(s.now())
			f.onLost = func(backends.Batch) {}
			text := `{"text":"` + strings.Repeat("x", backends.MaxScopeBatch/8) + `"}`
			for i := range 12 {
				s.insert(note(fmt.Sprint("d", i)), text)
			}
			for end := s.now(); !f.cursor.Reached(end); {
				bytes := 0
				for _, c := range f.next().Changes {
					if c.Ref.Scope == alpha && c.Doc != nil {
						bytes += len(c.Doc.Data)
					}
				}
				s.want(fmt.Sprint(bytes, " bytes are within the bound"), bytes <= backends.MaxScopeBatch, true)
			}
		},
	},
	{
		ID:   "feed/actor",
		Says: "a stranger's change has no actor",
		Check: func(s *trial) {
			f := s.watch(s.now())
			s.outside(Step{Kind: "insert", Ref: note("a"), Data: `{}`})
			for _, c := range f.until(s.now(), alpha) {
				s.want("actor", c.By, backends.Actor{})
			}
		},
	},
	{
		ID: "feed/author",
		Says: "a change names who made it and in which run, in a feed and read from the history: " +
			"of those who wrote at once each the own ones, of a document that a stranger changed " +
			"later nobody",
		Check: func(s *trial) {
			from := s.now()
			f := s.watch(from)
			authors := []backends.Actor{robot, {Kind: "user", ID: "ann:b/c"}, {Kind: "agent", ID: "ann"}}
			want := map[protocol.Ref]backends.Actor{}
			s.together(12, func(on *trial, i int) { on.writeBy(authors[i%3], fmt.Sprint(i)) })
			for i := range 12 {
				want[note(fmt.Sprint("a", i))], want[note(fmt.Sprint("b", i))] = authors[i%3], authors[i%3]
			}
			s.deleteBy(authors[1], note("a0"))
			s.outside(Step{Kind: "update", Ref: note("b0"), Data: `{"n":7}`})
			s.outside(Step{Kind: "delete", Ref: note("b1")})
			want[note("a0")] = authors[1]
			want[note("b0")], want[note("b1")] = backends.Actor{}, backends.Actor{}
			s.want("the feed's", authorsOf(f.until(s.now(), alpha)), want)
			s.want("the history's", authorsOf(s.since(alpha, from).Changes), want)
		},
	},
}

// writeBy makes two notes in one transaction, and changes one of them in another one.
func (s *trial) writeBy(by backends.Actor, id string) {
	s.Helper()
	tx := s.tx(alpha, ins("notes", "a"+id, `{"n":1}`), ins("notes", "b"+id, `{"n":1}`))
	tx.By = by
	s.succeed(tx)
	tx = s.tx(alpha, upd("notes", "a"+id, `{"n":2}`))
	tx.By = by
	s.succeed(tx)
}

func (s *trial) deleteBy(by backends.Actor, r protocol.Ref) {
	s.Helper()
	tx := s.tx(r.Scope, del(r.Collection, r.ID))
	tx.By = by
	s.succeed(tx)
}

// authorsOf is who made the last change of each document.
func authorsOf(changes []backends.Change) map[protocol.Ref]backends.Actor {
	last := map[protocol.Ref]backends.Actor{}
	for i := range changes {
		last[changes[i].Ref] = changes[i].By
	}
	return last
}
