package conformance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// remembered is a transaction with a mutation id; its digest stands for its request.
func (s *trial) remembered(mutation string, digest byte, writes ...backends.Write) backends.Tx {
	tx := s.tx(alpha, writes...)
	tx.Mutation, tx.Digest[0] = mutation, digest
	return tx
}

// succeed writes one transaction that must succeed.
func (s *trial) succeed(tx backends.Tx) backends.Outcome {
	s.Helper()
	o, err := s.try(tx)
	s.ok("write", err)
	return o
}

var mutationRules = []Rule{
	{
		ID: "mutation/once",
		Says: "a mutation that is asked for again has one effect and is answered as replayed, with " +
			"the same ids",
		Check: func(s *trial) {
			id := newID()
			first := s.succeed(
				s.remembered("m", 1, find("notes", `{"k":1}`, id, `{"n":1}`), upd("notes", id, `{"n":2}`)),
			)
			s.want("replayed at first", first.Replayed, false)
			for range 3 {
				again := s.succeed(
					s.remembered("m", 1, find("notes", `{"k":1}`, newID(), `{"n":1}`), upd("notes", id, `{"n":2}`)),
				)
				s.want("replayed", again.Replayed, true)
				s.want("answers", len(again.Changes), 2)
				for i, c := range again.Changes {
					s.want("document", c.Ref, first.Changes[i].Ref)
					s.want("operation", c.Op, first.Changes[i].Op)
					s.same("document as it is now", c.Doc, first.Changes[1].Doc)
					s.same("before", c.Before, nil)
				}
			}
			s.same("get", s.get(note(id)), first.Changes[1].Doc)
		},
	},
	{
		ID:   "mutation/now",
		Says: "a replay shows the document as it is now, or none if it is gone",
		Check: func(s *trial) {
			s.succeed(s.remembered("m", 1, ins("notes", "a", `{"n":1}`)))
			now := s.update(note("a"), `{"n":2}`).Doc
			s.same(
				"replay after an update", s.succeed(s.remembered("m", 1, ins("notes", "a", `{"n":1}`))).Changes[0].Doc,
				now,
			)
			s.delete(note("a"))
			gone := s.succeed(s.remembered("m", 1, ins("notes", "a", `{"n":1}`)))
			s.same("replay after a delete", gone.Changes[0].Doc, nil)
			s.want("operation", gone.Changes[0].Op, backends.Insert)
			s.same("get", s.get(note("a")), nil)
		},
	},
	{
		ID:   "mutation/cursor",
		Says: "a replay's cursor is one at which the first effect is visible",
		Check: func(s *trial) {
			first := s.succeed(s.remembered("m", 1, ins("notes", "a", `{"n":1}`)))
			for range 5 {
				again := s.succeed(s.remembered("m", 1, ins("notes", "a", `{"n":1}`)))
				if again.Cursor == nil || !again.Cursor.Covers(first.Changes[0]) {
					s.Fatalf("the cursor does not cover the first effect")
				}
				d, _ := s.getFrom(note("a"), again.Cursor)
				s.same("get from the cursor on", d, first.Changes[0].Doc)
			}
		},
	},
	{
		ID:   "mutation/mismatch",
		Says: "another request under a used mutation id is mutation_mismatch and has no effect",
		Check: func(s *trial) {
			s.succeed(s.remembered("m", 1, ins("notes", "a", `{}`)))
			_, err := s.try(s.remembered("m", 2, ins("notes", "b", `{}`)))
			s.code("write", err, protocol.CodeMutationMismatch)
			s.same("get", s.get(note("b")), nil)
		},
	},
	{
		ID:   "mutation/refused",
		Says: "a mutation that was refused is not remembered: it may succeed later, or be another",
		Check: func(s *trial) {
			_, err := s.try(s.remembered("m", 1, upd("notes", "a", `{"n":1}`)))
			s.code("write", err, protocol.CodeNotFound)
			s.insert(note("a"), `{}`)
			o := s.succeed(s.remembered("m", 2, upd("notes", "a", `{"n":2}`)))
			s.want("replayed", o.Replayed, false)
			s.data("get", s.get(note("a")), `{"n":2}`)
		},
	},
	{
		ID:   "mutation/reopen",
		Says: "a mutation is remembered for every process over the data",
		Check: func(s *trial) {
			s.succeed(s.remembered("m", 1, ins("notes", "a", `{}`)))
			other := s.over(s.h.Reopen(s, s.b))
			s.want("replayed", other.succeed(s.remembered("m", 1, ins("notes", "a", `{}`))).Replayed, true)
		},
	},
	{
		ID:   "mutation/one-call",
		Says: "a mutation twice in one call has one effect",
		Check: func(s *trial) {
			tx := s.remembered("m", 1, ups("notes", "a", `{"n":1}`))
			outcomes := s.b.Write(s.ctx, []backends.Tx{tx, tx, s.remembered("m", 2, ups("notes", "a", `{"n":2}`))})
			s.ok("first", outcomes[0].Err)
			s.ok("second", outcomes[1].Err)
			s.want("replayed", []bool{outcomes[0].Replayed, outcomes[1].Replayed}, []bool{false, true})
			s.code("third", outcomes[2].Err, protocol.CodeMutationMismatch)
			s.data("get", s.get(note("a")), `{"n":1}`)
		},
	},
	{
		ID:   "mutation/together",
		Says: "a mutation asked for by many at once has one effect, and all get its ids",
		Check: func(s *trial) {
			other := s.over(s.h.Reopen(s, s.b))
			for round := range 5 {
				var mu sync.Mutex
				var group sync.WaitGroup
				ids, effects := map[string]int{}, 0
				for i := range 8 {
					group.Go(func() {
						on := []*trial{s, other}[i%2]
						o, err := on.try(
							s.remembered(fmt.Sprint("m", round), 1, find("notes", fmt.Sprintf(`{"k":%d}`, round), newID(), `{}`)),
						)
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							s.Errorf("write: %v", err)
							return
						}
						ids[o.Changes[0].Ref.ID]++
						if !o.Replayed {
							effects++
						}
					})
				}
				group.Wait()
				s.want("effects", effects, 1)
				s.want("ids", len(ids), 1)
			}
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 5)
		},
	},
	{
		ID:   "mutation/cut",
		Says: "a mutation whose first answer was lost has one effect when it is asked for again",
		Check: func(s *trial) {
			for i := range 20 {
				tx := s.remembered(fmt.Sprint("m", i), 1, ins("notes", fmt.Sprint("d", i), `{"n":1}`))
				ctx, cancel := context.WithTimeout(s.ctx, time.Duration(s.rng.IntN(800))*time.Microsecond)
				s.b.Write(ctx, []backends.Tx{tx})
				cancel()
				s.data("answer", s.succeed(tx).Changes[0].Doc, `{"n":1}`)
			}
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 20)
		},
	},
	{
		ID:   "mutation/outlives",
		Says: "a mutation is remembered when history is forgotten, and in a restored backup",
		Check: func(s *trial) {
			s.succeed(s.remembered("m", 1, ins("notes", "a", `{}`)))
			s.h.Forget(s, s.b)
			s.want("replayed after Forget", s.succeed(s.remembered("m", 1, ins("notes", "a", `{}`))).Replayed, true)
			restored := s.over(s.h.Backup(s, s.b)())
			s.want(
				"replayed after a restore", restored.succeed(s.remembered("m", 1, ins("notes", "a", `{}`))).Replayed,
				true,
			)
		},
	},
	{
		ID:   "mutation/other-writes",
		Says: "writes without a mutation id are never taken for one another",
		Check: func(s *trial) {
			s.commit(alpha, ups("notes", "a", `{"n":1}`))
			o := s.succeed(s.tx(alpha, ups("notes", "a", `{"n":1}`)))
			s.want("replayed", o.Replayed, false)
			s.want("operation", o.Changes[0].Op, backends.Update)
		},
	},
}
