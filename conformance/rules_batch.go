package conformance

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var batchRules = []Rule{
	{
		ID:   "batch/sees",
		Says: "each write of a transaction sees the ones before it",
		Check: func(s *trial) {
			id := newID()
			cs := s.commit(alpha,
				ins("notes", "a", `{"n":1}`), upd("notes", "a", `{"m":2}`), find("notes", `{"m":2}`, newID(), `{"l":3}`),
				find("notes", `{"k":9}`, id, `{}`), find("notes", `{"k":9}`, newID(), `{"again":1}`), del("notes", id))
			s.data("second answer", cs[1].Doc, `{"m":2,"n":1}`)
			s.want("found in the transaction", cs[2].Ref, note("a"))
			s.want("found what it made", cs[4].Ref, note(id))
			s.data("get", s.get(note("a")), `{"l":3,"m":2,"n":1}`)
			s.same("get of the deleted one", s.get(note(id)), nil)
		},
	},
	{
		ID: "batch/all-or-nothing",
		Says: "a transaction with a write that is refused changes nothing, and its error names the " +
			"write",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{"n":1}`)
			err := s.refuse(
				protocol.CodeNotFound, alpha, upd("notes", "a", `{"n":2}`), ins("notes", "b", `{}`), del("notes", "x"),
				ins("notes", "y", `{}`),
			)
			var which *backends.WriteError
			s.want("the error is a WriteError", errors.As(err, &which), true)
			s.want("index", which.Index, 2)
			s.same("get", s.get(note("a")), c.Doc)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1)
		},
	},
	{
		ID:   "batch/refused-untold",
		Says: "a transaction that was refused is told by no feed",
		Check: func(s *trial) {
			f := s.watch(s.now(), alpha)
			s.refuse(protocol.CodeNotFound, alpha, ins("notes", "a", `{}`), del("notes", "x"))
			s.want("changes", len(f.until(s.now(), alpha)), 0)
		},
	},
	{
		ID:   "batch/one-moment",
		Says: "the changes of a transaction become visible in one moment: a cursor covers all or none",
		Check: func(s *trial) {
			f := s.watch(nil)
			var mu sync.Mutex
			var cursors []backends.Cursor
			var all [][]backends.Change
			crowd := s.background(2, func(on *trial) {
				changes := on.commit(alpha, ups("notes", "a", `{}`), ups("notes", "b", `{}`), ups("other", "c", `{}`))
				mu.Lock()
				defer mu.Unlock()
				all = append(all, changes)
			})
			for range crowd.turns(60) {
				f.next()
				cursors = append(cursors, f.cursor, s.list(alpha, "notes", nil).Cursor)
			}
			crowd.stop()
			for _, c := range cursors {
				for _, changes := range all {
					s.want("covered", c.Covers(changes[1]), c.Covers(changes[0]))
					s.want("covered", c.Covers(changes[2]), c.Covers(changes[0]))
				}
			}
		},
	},
	{
		ID:   "batch/whole",
		Says: "a feed tells a transaction within one batch",
		Check: func(s *trial) {
			f := s.watch(s.now())
			for i := range 20 {
				s.commit(
					alpha, ins("notes", fmt.Sprintf("a%d", i), `{}`), ins("notes", fmt.Sprintf("b%d", i), `{}`),
					ins("other", fmt.Sprintf("c%d", i), `{}`),
				)
			}
			for end := s.now(); !f.cursor.Reached(end); {
				told := 0
				for _, c := range f.next().Changes {
					if c.Ref.Scope == alpha {
						told++
					}
				}
				s.want("changes left of a transaction of three", told%3, 0)
			}
		},
	},
	{
		ID:   "batch/same-document",
		Says: "several writes of one transaction to one document leave the last",
		Check: func(s *trial) {
			from := s.now()
			cs := s.commit(
				alpha, ins("notes", "a", `{"n":1}`), upd("notes", "a", `{"n":2}`), del("notes", "a"),
				ins("notes", "a", `{"n":3}`), upd("notes", "a", `{"n":4}`),
			)
			s.everywhere(from, cs[4].Doc)
		},
	},
	{
		ID:   "batch/nothing-left",
		Says: "a document made and deleted in one transaction was never there",
		Check: func(s *trial) {
			f := s.watch(s.now(), alpha)
			s.commit(alpha, ins("notes", "a", `{}`), del("notes", "a"), ins("notes", "b", `{}`))
			changes := f.until(s.now(), alpha)
			s.same("feed", last(changes, note("a")), nil)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1)
		},
	},
	{
		ID: "batch/traceless",
		Says: "the changes of a transaction that leaves nothing behind are covered by a read after " +
			"the answer, and by a feed in time",
		Check: func(s *trial) {
			f := s.watch(s.now())
			changes := s.commit(alpha, ins("notes", "a", `{}`), del("notes", "a"))
			_, at := s.getFrom(note("a"), nil)
			for _, c := range changes {
				s.want("covered by a read after the answer", at.Covers(c), true)
			}
			for !f.cursor.Covers(changes[0]) {
				f.next()
			}
		},
	},
	{
		ID: "batch/bounded",
		Says: "a transaction whose documents are over MaxBytes in all is refused with too_large and " +
			"changes nothing; one below it is not",
		Check: func(s *trial) {
			before := s.insert(note("a"), `{"n":0,"pad":"`+strings.Repeat("x", 100_000)+`"}`)
			updates := func(n int) backends.Tx {
				tx := s.tx(alpha)
				tx.MaxBytes = 1 << 20
				for i := range n {
					tx.Writes = append(tx.Writes, upd("notes", "a", fmt.Sprintf(`{"n":%d}`, i+1)))
				}
				return tx
			}
			_, err := s.try(updates(100))
			s.want("code", protocol.CodeOf(err), protocol.CodeTooLarge)
			s.same("the document", s.get(note("a")), before.Doc)
			_, err = s.try(updates(10))
			s.ok("ten updates", err)
		},
	},
	{
		ID:   "batch/large",
		Says: "a transaction of a thousand writes is one transaction",
		Check: func(s *trial) {
			f := s.watch(s.now(), alpha)
			var writes []backends.Write
			for i := range 1000 {
				writes = append(writes, ins("notes", fmt.Sprintf("d%04d", i), `{"some":"text"}`))
			}
			s.commit(alpha, writes...)
			s.want("changes", len(f.until(s.now(), alpha)), 1000)
			s.refuse(protocol.CodeAlreadyExists, alpha, append([]backends.Write{del("notes", "d0000")}, writes...)...)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1000)
		},
	},
}
