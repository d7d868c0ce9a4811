package conformance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// fill makes n documents d000, d001, …, several at each time.
func (s *trial) fill(n int) {
	s.Helper()
	at := time.Now()
	for i := range n {
		tx := s.tx(alpha, ins("notes", fmt.Sprintf("d%03d", i*7%n), fmt.Sprintf(`{"n":%d}`, i)))
		tx.At = at.Add(time.Duration(i/3) * time.Millisecond)
		_, err := s.try(tx)
		s.ok("insert", err)
	}
}

// pages reads a collection page by page.
func (s *trial) pages(scope protocol.Scope, q backends.Query) (all []backends.Page) {
	s.Helper()
	for {
		p := s.page(scope, q)
		all = append(all, p)
		if p.Next == "" {
			return all
		}
		if len(p.Docs) == 0 || len(all) > 10_000 {
			s.Fatalf("list: got a page that leads nowhere after %q", q.After)
		}
		q.After = p.Next
	}
}

func ids(pages ...backends.Page) (ids []string) {
	for _, p := range pages {
		for _, d := range p.Docs {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// texts are values of a field that databases may look for by themselves, and some that are alike.
var texts = []string{
	`"x"`, `"X"`, `"x "`, `"\u00e9"`, `"e\u0301"`, `""`, `"2020-01-02T03:04:05.678Z"`, `"1.50"`, `"AQID"`,
	`"507f1f77bcf86cd799439011"`, `"true"`, `true`, `false`, `null`, `1`, `1.5`, `["x"]`, `[["x"]]`,
	`{"x":"x"}`, `[true]`, `{}`, `[]`,
}

// onlyMatching are the documents of a list that a filter matches, and what such a list with it must
// be: those at least, in the order of the list.
func (s *trial) onlyMatching(whole []backends.Page, value string) {
	s.Helper()
	filter, err := protocol.ParseFilter(canonical(`{"v":`+value+`}`), false)
	s.ok("filter", err)
	var want []string
	for _, p := range whole {
		for i := range p.Docs {
			if filter.Matches(&p.Docs[i]) {
				want = append(want, p.Docs[i].ID)
			}
		}
	}
	if len(want) == 0 {
		s.Fatalf("no document has %s", value)
	}
	for _, limit := range []int{0, 3} {
		var got []string
		for _, p := range s.pages(alpha, backends.Query{Collection: "notes", Limit: limit, Only: &filter}) {
			for i := range p.Docs {
				if filter.Matches(&p.Docs[i]) {
					got = append(got, p.Docs[i].ID)
				}
			}
		}
		s.want(fmt.Sprintf("documents with %s, pages of %d", value, limit), got, want)
	}
}

var listRules = []Rule{
	{
		ID: "list/only",
		Says: "a list that looks for a value lacks no document that has it, whoever stored it, page by " +
			"page in the list's order",
		Check: func(s *trial) {
			for i, v := range texts {
				s.insert(note(fmt.Sprint("own", i)), `{"v":`+v+`,"w":"x"}`)
				other := note(fmt.Sprint("other", i))
				s.outside(Step{Kind: "insert", Ref: other, Data: `{"w":"x","v":` + v + `}`})
			}
			s.insert(note("nested"), `{"o":{"v":"x"},"a.v":"x"}`)
			whole := s.pages(alpha, backends.Query{Collection: "notes"})
			for _, v := range texts {
				s.onlyMatching(whole, v)
			}
		},
	},
	{
		ID:   "list/order",
		Says: "a list has the newest first, and what is equally new by id",
		Check: func(s *trial) {
			s.fill(50)
			docs := s.list(alpha, "notes", nil).Docs
			s.want("documents", len(docs), 50)
			for i := range docs[1:] {
				if !backends.Before(&docs[i], &docs[i+1]) {
					s.Fatalf("got %s before %s", show(&docs[i]), show(&docs[i+1]))
				}
			}
		},
	},
	{
		ID:   "list/order-bytes",
		Says: "ids are ordered by their bytes, not by a language",
		Check: func(s *trial) {
			names := []string{"b", "B", "a", "A", "_", "-", "0", "9", "aa", "Z", "a-", "a_", "a0"}
			at := time.Now()
			for _, id := range names {
				tx := s.tx(alpha, ins("notes", id, `{}`))
				tx.At = at
				s.succeed(tx)
			}
			slices.Sort(names)
			s.want("ids", ids(s.list(alpha, "notes", nil)), names)
			s.want("ids by pages", ids(s.pages(alpha, backends.Query{Collection: "notes", Limit: 2})...), names)
		},
	},
	{
		ID:   "list/updated",
		Says: "an update moves a document to the head of its list",
		Check: func(s *trial) {
			s.fill(5)
			tx := s.tx(alpha, upd("notes", "d000", `{}`))
			tx.At = time.Now().Add(time.Minute)
			s.succeed(tx)
			s.want("first", s.list(alpha, "notes", nil).Docs[0].ID, "d000")
		},
	},
	{
		ID:   "list/empty",
		Says: "an empty collection is a list of none with a cursor",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{}`)
			p := s.list(alpha, "nothing", nil)
			s.want("documents", len(p.Docs), 0)
			s.want("next", p.Next, "")
			s.want("the cursor covers an acknowledged write", p.Cursor.Covers(c), true)
		},
	},
	{
		ID:   "list/pages",
		Says: "the pages of a list at rest are the list, for every page size",
		Check: func(s *trial) {
			s.fill(40)
			want := ids(s.list(alpha, "notes", nil))
			for _, limit := range []int{1, 2, 3, 7, 39, 40, 41} {
				pages := s.pages(alpha, backends.Query{Collection: "notes", Limit: limit})
				s.want(fmt.Sprint("ids in pages of ", limit), ids(pages...), want)
				s.want(fmt.Sprint("pages of ", limit), len(pages), (40+limit-1)/limit)
			}
		},
	},
	{
		ID:   "list/bytes",
		Says: "a page is cut by bytes, yet one document always fits",
		Check: func(s *trial) {
			for i := range 10 {
				s.insert(note(fmt.Sprint("d", i)), `{"text":"`+strings.Repeat("x", 100*(i%4))+`"}`)
			}
			want := ids(s.list(alpha, "notes", nil))
			for _, bytes := range []int{1, 150, 400, 5000} {
				pages := s.pages(alpha, backends.Query{Collection: "notes", MaxBytes: bytes})
				s.want("ids", ids(pages...), want)
				for _, p := range pages {
					all := 0
					for _, d := range p.Docs {
						all += len(d.Data)
					}
					if lastOne := len(p.Docs[len(p.Docs)-1].Data); all-lastOne > bytes {
						s.Fatalf("a page bounded to %d bytes: got %d before its last document", bytes, all-lastOne)
					}
				}
			}
			s.want("pages of one byte", len(s.pages(alpha, backends.Query{Collection: "notes", MaxBytes: 1})), 10)
		},
	},
	{
		ID:   "list/after",
		Says: "a page begins where the one before it ended, though that document has gone",
		Check: func(s *trial) {
			s.fill(9)
			want := ids(s.list(alpha, "notes", nil))
			p := s.page(alpha, backends.Query{Collection: "notes", Limit: 3})
			s.delete(note(p.Docs[2].ID))
			s.want("ids", ids(s.page(alpha, backends.Query{Collection: "notes", After: p.Next})), want[3:])
		},
	},
	{
		ID:   "list/exact",
		Says: "a list is what its scope held at the list's cursor, whatever is written meanwhile",
		Check: func(s *trial) {
			crowd := s.churn(4)
			for range crowd.turns(60) {
				s.exactly(alpha, "notes", s.list(alpha, "notes", nil))
			}
			crowd.stop()
			s.exactly(alpha, "notes", s.list(alpha, "notes", s.now()))
		},
	},
	{
		ID:   "list/get-exact",
		Says: "Get is what its scope held at the cursor it answers with",
		Check: func(s *trial) {
			crowd := s.churn(4)
			for range crowd.turns(100) {
				r := note(s.someID())
				d, c := s.getFrom(r, nil)
				s.same("get", d, pick(s.oracle(s, alpha, c)["notes"], r.ID))
			}
			crowd.stop()
		},
	},
	{
		ID: "list/join",
		Says: "a list and the feed's changes that its cursor does not cover give the state at the " +
			"feed's cursor",
		Check: func(s *trial) {
			f := s.watch(nil)
			crowd := s.churn(4)
			var changes []backends.Change
			var pages []backends.Page
			for range crowd.turns(60) {
				pages = append(pages[max(0, len(pages)-10):], s.list(alpha, "notes", nil))
				changes = append(changes, f.until(pages[len(pages)-1].Cursor, alpha)...)
				want := map[string]map[string]protocol.Document{"notes": s.oracle(s, alpha, f.cursor)["notes"]}
				for _, p := range pages {
					s.want("join", diff(join(p, changes), want), "")
				}
			}
			crowd.stop()
		},
	},
	{
		ID:   "list/bound",
		Says: "a read with a bound shows all that its bound shows, strangers' writes included",
		Check: func(s *trial) {
			f := s.watch(s.now())
			for i := range 30 {
				data := fmt.Sprintf(`{"n":%d}`, i)
				s.outside(Step{Kind: "replace", Ref: note("a"), Data: data})
				for told := false; !told; {
					for _, c := range f.next().Changes {
						told = told || c.Ref == note("a") && c.Doc != nil && string(c.Doc.Data) == data
					}
				}
				d, c := s.getFrom(note("a"), f.cursor)
				s.data("get", d, data)
				s.want("get's cursor has reached the bound", c.Reached(f.cursor), true)
				p := s.list(alpha, "notes", f.cursor)
				s.data("list", &p.Docs[0], data)
				s.want("list's cursor has reached the bound", p.Cursor.Reached(f.cursor), true)
			}
		},
	},
	{
		ID:   "list/bound-of-collections",
		Says: "collections counted with a bound include what its bound shows, a stranger's new one too",
		Check: func(s *trial) {
			f := s.watch(s.now())
			for i := range 30 {
				made := protocol.Ref{Scope: alpha, Collection: fmt.Sprint("c", i), ID: "a"}
				s.outside(Step{Kind: "insert", Ref: made, Data: `{}`})
				for told := false; !told; {
					for _, c := range f.next().Changes {
						told = told || c.Ref == made
					}
				}
				s.want("documents of the new collection", s.counts(f.cursor)[made.Collection], 1)
			}
		},
	},
	{
		ID:   "list/bound-of-list",
		Says: "a read bounded by an earlier read never goes back behind it",
		Check: func(s *trial) {
			crowd := s.churn(3)
			var at backends.Cursor
			for range crowd.turns(60) {
				p := s.list(alpha, "notes", at)
				if at != nil && !p.Cursor.Reached(at) {
					s.Fatalf("a list's cursor has not reached the bound")
				}
				_, at = s.getFrom(note("a"), p.Cursor)
				if !at.Reached(p.Cursor) {
					s.Fatalf("a get's cursor has not reached the bound")
				}
			}
			crowd.stop()
		},
	},
	{
		ID:   "list/many",
		Says: "a list of thousands is whole",
		Check: func(s *trial) {
			var writes []backends.Write
			for i := range 3000 {
				writes = append(writes, ins("notes", fmt.Sprintf("d%04d", i), `{"text":"some text"}`))
			}
			s.commit(alpha, writes...)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 3000)
			s.want(
				"documents by pages", len(ids(s.pages(alpha, backends.Query{Collection: "notes", Limit: 500})...)), 3000,
			)
		},
	},
}

// join is a page with the changes that it does not contain.
func join(p backends.Page, changes []backends.Change) state {
	joined := state{"notes": {}}
	for _, d := range p.Docs {
		joined["notes"][d.ID] = d
	}
	for _, c := range changes {
		if c.Ref.Collection == "notes" && !p.Cursor.Covers(c) {
			joined.apply(c)
		}
	}
	return joined
}
