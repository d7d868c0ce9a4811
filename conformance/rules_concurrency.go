package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// together runs work on several goroutines, on two processes in turn, and waits. A goroutine that
// fails ends; the attempt ends with it here.
func (s *trial) together(n int, work func(on *trial, i int)) {
	s.Helper()
	sides := []*trial{s, s.over(s.h.Reopen(s, s.b))}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			defer s.Guard()
			work(sides[i%2], i)
		})
	}
	group.Wait()
	if s.Failed() {
		s.FailNow()
	}
}

// number is a document's field n.
func number(d *protocol.Document) (n int) {
	if d == nil {
		return 0
	}
	value, _ := protocol.Member(d.Data, "n")
	fmt.Sscan(string(value), &n) // 0 if it is none
	return n
}

// transfer moves one from an account to another in one transaction, if nobody else has touched
// them.
func (s *trial) transfer(from, to string) {
	a, c, err := s.b.Get(s.ctx, account(from), nil)
	s.ok("get", err)
	b, _ := s.getFrom(account(to), c)
	if a == nil || b == nil {
		s.Fatalf("transfer: got no account %s or %s", from, to)
	}
	_, err = s.try(s.tx(alpha,
		ifRev(upd("accounts", from, fmt.Sprintf(`{"n":%d}`, number(a)-1)), a.Rev),
		ifRev(upd("accounts", to, fmt.Sprintf(`{"n":%d}`, number(b)+1)), b.Rev)))
	if err != nil {
		s.code("transfer", err, protocol.CodeConflict)
	}
}

func account(id string) protocol.Ref {
	return protocol.Ref{Scope: alpha, Collection: "accounts", ID: id}
}

// accounts is how many there are, with 100 each at first.
const accounts = 5

func (s *trial) openAccounts() {
	var writes []backends.Write
	for i := range accounts {
		writes = append(writes, ins("accounts", fmt.Sprint("d", i), `{"n":100}`))
	}
	s.commit(alpha, writes...)
}

// balanced ends the attempt unless the accounts hold what they held at first.
func (s *trial) balanced(what string, docs map[string]protocol.Document) {
	s.Helper()
	sum := 0
	for _, d := range docs {
		sum += number(&d)
	}
	if len(docs) > 0 {
		s.want(what+": the sum of all accounts", sum, 100*accounts)
	}
}

func byID(docs []protocol.Document) map[string]protocol.Document {
	m := map[string]protocol.Document{}
	for _, d := range docs {
		m[d.ID] = d
	}
	return m
}

var concurrencyRules = []Rule{
	{
		ID:   "concurrency/all-there",
		Says: "what many writers were answered is all there",
		Check: func(s *trial) {
			s.together(8, func(on *trial, i int) {
				for n := range 25 {
					on.insert(note(fmt.Sprintf("w%d-%d", i, n)), `{}`)
				}
			})
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 200)
		},
	},
	{
		ID:   "concurrency/one-insert",
		Says: "of many inserts under one id, one succeeds",
		Check: func(s *trial) {
			for round := range 10 {
				var made atomic.Int32
				id := fmt.Sprint("d", round)
				s.together(6, func(on *trial, i int) {
					_, err := on.try(on.tx(alpha, ins("notes", id, fmt.Sprintf(`{"by":%d}`, i))))
					if err == nil {
						made.Add(1)
						return
					}
					on.code("insert", err, protocol.CodeAlreadyExists)
				})
				s.want("inserts that succeeded", int(made.Load()), 1)
			}
		},
	},
	{
		ID:   "concurrency/one-upsert",
		Says: "of many upserts by one filter, one makes the document and all others find it",
		Check: func(s *trial) {
			for round := range 30 {
				var made atomic.Int32
				s.together(6, func(on *trial, i int) {
					o, err := on.try(
						on.tx(alpha, find("notes", fmt.Sprintf(`{"round":%d}`, round), newID(), fmt.Sprintf(`{"w%d":1}`, i))),
					)
					on.ok("upsert", err)
					if o.Changes[0].Op == backends.Insert {
						made.Add(1)
					}
				})
				s.want("documents made", int(made.Load()), 1)
			}
			docs := s.list(alpha, "notes", nil).Docs
			s.want("documents", len(docs), 30)
			for _, d := range docs {
				round, _ := protocol.Member(d.Data, "round")
				s.data("one document", &d, fmt.Sprintf(`{"round":%s,"w0":1,"w1":1,"w2":1,"w3":1,"w4":1,"w5":1}`, round))
			}
		},
	},
	{
		ID: "concurrency/overlapping-upserts",
		Says: "of upserts by filters that overlap, through two gateways, one makes the document and " +
			"all others find it",
		Check: func(s *trial) {
			other := s.over(s.h.Reopen(s, s.b))
			for round := range 15 {
				// Whichever is first makes a document that all filters mean.
				filters := [...]string{`{"round":%d}`, `{"other":1,"round":%d}`}
				s.together(6, func(on *trial, i int) {
					if i%3 == 0 {
						on = on.over(other.b)
					}
					_, err := on.persist(on.tx(alpha, find("notes", fmt.Sprintf(filters[i%2], round), newID(), `{"other":1}`)))
					on.ok("upsert", err)
				})
				s.want("documents", len(s.list(alpha, "notes", nil).Docs), round+1)
			}
		},
	},
	{
		ID:   "concurrency/upserts-add-up",
		Says: "upserts by filter and updates of the same documents add up, new documents and old ones",
		Check: func(s *trial) {
			const keys, rounds, writers = 6, 20, 6
			for key := range keys / 2 {
				s.insert(note(fmt.Sprint("a", key)), fmt.Sprintf(`{"key":%d}`, key))
			}
			s.together(writers, func(on *trial, i int) {
				for n := range rounds {
					field := fmt.Sprintf(`{"w%d-%02d":1}`, i, n)
					if key := (i + n) % keys; i%2 == 0 || key >= keys/2 {
						on.commit(alpha, find("notes", fmt.Sprintf(`{"key":%d}`, key), newID(), field))
					} else {
						on.update(note(fmt.Sprint("a", key)), field)
					}
				}
			})
			docs := s.list(alpha, "notes", nil).Docs
			s.want("documents", len(docs), keys)
			fields := 0
			for _, d := range docs {
				for range protocol.Members(d.Data) {
					fields++
				}
			}
			s.want("fields", fields, keys+writers*rounds)
		},
	},
	{
		ID:   "concurrency/no-lost-update",
		Says: "updates of one document add up: each merges with what the last one left",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			s.together(6, func(on *trial, i int) {
				for n := range 20 {
					on.update(note("a"), fmt.Sprintf(`{"w%d-%02d":1}`, i, n))
				}
			})
			fields := 0
			for range protocol.Members(s.get(note("a")).Data) {
				fields++
			}
			s.want("fields", fields, 120)
		},
	},
	{
		ID:   "concurrency/if-rev",
		Says: "of writes that name one revision, one succeeds",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":0}`)
			var done atomic.Int32
			s.together(6, func(on *trial, i int) {
				for range 20 {
					d := on.get(note("a"))
					_, err := on.try(on.tx(alpha, ifRev(upd("notes", "a", fmt.Sprintf(`{"n":%d}`, number(d)+1)), d.Rev)))
					if err == nil {
						done.Add(1)
						continue
					}
					on.code("update", err, protocol.CodeConflict)
				}
			})
			s.want("count", number(s.get(note("a"))), int(done.Load()))
		},
	},
	{
		ID:   "concurrency/sum",
		Says: "a sum that every transaction keeps is never seen torn, by a list, a feed or Since",
		Check: func(s *trial) {
			s.openAccounts()
			from := s.now()
			f := s.watch(from, alpha)
			crowd := s.background(5, func(on *trial) {
				x, y := on.rng.IntN(accounts), on.rng.IntN(accounts-1)
				on.transfer(fmt.Sprint("d", x), fmt.Sprint("d", (x+1+y)%accounts))
			})
			copied := copied(s.oracle(s, alpha, f.cursor))
			for range crowd.turns(50) {
				s.balanced("list", byID(s.list(alpha, "accounts", nil).Docs))
				s.balanced("feed", copied.applyAll(alpha, f.next().Changes)["accounts"])
				batch := s.since(alpha, from)
				s.held("since", alpha, from, batch)
				s.balanced("since", s.oracle(s, alpha, batch.Cursor)["accounts"])
			}
			crowd.stop()
		},
	},
	{
		ID:   "concurrency/opposite-order",
		Says: "transactions that write the same documents in opposite order all end",
		Check: func(s *trial) {
			s.together(6, func(on *trial, i int) {
				for range 15 {
					a, b := "a", "b"
					if i%2 == 0 {
						a, b = b, a
					}
					on.commit(alpha, ups("notes", a, `{}`), ups("notes", b, `{}`))
				}
			})
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 2)
		},
	},
	{
		ID:   "concurrency/strangers",
		Says: "gateways and strangers write at once, and feeds stay exact",
		Check: func(s *trial) {
			f := s.watch(nil, alpha)
			crowd := s.churn(4)
			for i := range crowd.turns(40) {
				s.outside(randomSteps(s.rng, i)...)
				f.next()
			}
			crowd.stop()
			f.until(s.now(), alpha)
		},
	},
	{
		ID:   "concurrency/own-writes",
		Says: "a reader among many writers sees its own writes",
		Check: func(s *trial) {
			s.together(6, func(on *trial, i int) {
				r := note(fmt.Sprint("own", i))
				for n := range 25 {
					want := on.upsert(r, fmt.Sprintf(`{"n":%d}`, n)).Doc
					on.same("get", on.get(r), want)
					own := byID(on.list(alpha, "notes", nil).Docs)[r.ID]
					on.same("list", &own, want)
				}
			})
		},
	},
}
