package conformance

import (
	"fmt"

	"github.com/secondgate/secondgate/backends"
)

var retentionRules = []Rule{
	{
		ID:   "retention/expired",
		Says: "a cursor from before the history that is kept is ErrCursor, for Cursor, Since and Watch",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			old := s.now()
			s.insert(note("b"), `{}`)
			s.h.Forget(s, s.b)
			s.expired(old)
			s.insert(note("c"), `{}`)
			s.expired(old)
		},
	},
	{
		ID:   "retention/documents",
		Says: "documents outlive the history of their changes",
		Check: func(s *trial) {
			a := s.insert(note("a"), `{"n":1}`)
			s.insert(note("b"), `{}`)
			s.delete(note("b"))
			s.h.Forget(s, s.b)
			s.same("get", s.get(note("a")), a.Doc)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1)
			s.want("operation", s.upsert(note("a"), `{}`).Op, backends.Update)
		},
	},
	{
		ID:   "retention/after",
		Says: "what happens after history was forgotten is resumed as ever",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			s.h.Forget(s, s.b)
			for range 2 {
				p := s.list(alpha, "notes", nil)
				from := s.reparse(p.Cursor)
				c := s.upsert(note("b"), `{"n":1}`)
				s.same("since", last(s.since(alpha, from).Changes, note("b")), c.Doc)
				s.same("feed", last(s.watch(from, alpha).until(s.now(), alpha), note("b")), c.Doc)
			}
		},
	},
	{
		ID:   "retention/lagging",
		Says: "a feed that history has left behind tells so, or tells everything",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			f, lost := s.watch(s.now()), false
			copied := copied(s.oracle(s, alpha, f.cursor))
			f.onLost = func(b backends.Batch) {
				copied, lost = state(s.oracle(s, alpha, b.Cursor)), true
			}
			s.update(note("a"), `{"n":2}`)
			s.insert(note("b"), `{}`)
			s.h.Forget(s, s.b)
			s.insert(note("c"), `{}`)
			for end := s.now(); !f.cursor.Reached(end); {
				if batch := f.next(); !batch.LostAll && len(batch.Lost) == 0 {
					copied.applyAll(alpha, batch.Changes)
				}
			}
			s.want(fmt.Sprintf("copy (lost: %v)", lost), diff(copied, s.oracle(s, alpha, f.cursor)), "")
		},
	},
	{
		ID:   "retention/racing",
		Says: "while history is being forgotten, a resume is exact or refused",
		Check: func(s *trial) {
			crowd := s.churn(3)
			resumed, refused := 0, 0
			for i := range crowd.turns(60) {
				from := s.list(alpha, "notes", nil).Cursor
				if i%2 == 0 {
					s.upsert(note("a"), `{}`)
					s.h.Forget(s, s.b)
				}
				batch, err := s.b.Since(s.ctx, alpha, from, 1<<30)
				if err != nil {
					s.is("since", err, backends.ErrCursor)
					refused++
					continue
				}
				s.held("since", alpha, from, batch)
				resumed++
			}
			crowd.stop()
			s.want("some resumed", resumed > 0, true)
			s.want("some refused", refused > 0, true)
		},
	},
	{
		ID:   "restore/state",
		Says: "a restored backup is the data as it was at the backup",
		Check: func(s *trial) {
			a := s.insert(note("a"), `{"n":1}`).Doc
			restore := s.h.Backup(s, s.b)
			s.update(note("a"), `{"n":2}`)
			s.insert(note("b"), `{}`)
			restored := s.over(restore())
			restored.same("get", restored.get(note("a")), a)
			restored.want("documents", len(restored.list(alpha, "notes", nil).Docs), 1)
		},
	},
	{
		ID:   "restore/future",
		Says: "a cursor from after the backup is ErrCursor in the restored data",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			restore := s.h.Backup(s, s.b)
			s.insert(note("b"), `{}`)
			future := s.now()
			s.over(restore()).expired(future)
		},
	},
	{
		ID:   "restore/reissued",
		Says: "a cursor from after the backup stays ErrCursor when its numbers have come again",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			restore := s.h.Backup(s, s.b)
			var futures []backends.Cursor
			for i := range 6 {
				s.insert(note(fmt.Sprint("lost", i)), `{}`)
				futures = append(futures, s.now())
			}
			restored := s.over(restore())
			for i := range 12 {
				restored.insert(note(fmt.Sprint("new", i)), `{}`)
				for _, c := range futures {
					restored.expired(c)
				}
			}
		},
	},
	{
		ID:   "restore/before",
		Says: "a cursor from before the backup is exact in the restored data, or refused",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			before := s.now()
			s.insert(note("b"), `{}`)
			restore := s.h.Backup(s, s.b)
			s.delete(note("a"))
			restored := s.over(restore())
			c := restored.insert(note("c"), `{}`)
			batch, err := restored.b.Since(s.ctx, alpha, before, 1<<20)
			if err != nil {
				s.is("since", err, backends.ErrCursor)
				return
			}
			if len(batch.Lost) > 0 {
				s.Inconclusive("since lost the scope")
			}
			s.data("the document of before the backup", last(batch.Changes, note("b")), `{}`)
			s.same("the document of after the restore", last(batch.Changes, note("c")), c.Doc)
			s.want("changes", len(batch.Changes), 2)
		},
	},
	{
		ID:   "restore/goes-on",
		Says: "lists, feeds and Since of restored data are as exact as ever",
		Check: func(s *trial) {
			s.insert(note("a"), `{"n":1}`)
			restored := s.over(s.h.Backup(s, s.b)())
			p := restored.list(alpha, "notes", nil)
			restored.update(note("a"), `{"n":2}`)
			c := restored.insert(note("b"), `{}`)
			got := join(p, restored.watch(p.Cursor).until(restored.now(), alpha))
			restored.data("list and feed", pick(got["notes"], "a"), `{"n":2}`)
			restored.same("list and feed", pick(got["notes"], "b"), c.Doc)
			restored.want("changes", len(restored.since(alpha, p.Cursor).Changes) >= 2, true)
		},
	},
}
