package conformance

import (
	"fmt"

	"github.com/secondgate/secondgate/backends"
)

var retentionRules = []Rule{
	{"retention/expired", "a cursor from before the history that is kept is ErrCursor, for Cursor, Since and Watch", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{}`)
		old := s.now()
		s.insert(note("b"), `{}`)
		h.Forget(t, s.b)
		s.expired(old)
		s.insert(note("c"), `{}`)
		s.expired(old)
	}},
	{"retention/documents", "documents outlive the history of their changes", func(t T, h Harness) {
		s := open(t, h)
		a := s.insert(note("a"), `{"n":1}`)
		s.insert(note("b"), `{}`)
		s.delete(note("b"))
		h.Forget(t, s.b)
		s.same("get", s.get(note("a")), a.Doc)
		s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1)
		s.want("operation", s.upsert(note("a"), `{}`).Op, backends.Update)
	}},
	{"retention/after", "what happens after history was forgotten is resumed as ever", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{}`)
		h.Forget(t, s.b)
		for range 2 {
			p := s.list(alpha, "notes", nil)
			from := s.reparse(p.Cursor)
			c := s.upsert(note("b"), `{"n":1}`)
			s.same("since", last(s.since(alpha, from).Changes, note("b")), c.Doc)
			s.same("feed", last(s.watch(from, alpha).until(s.now(), alpha), note("b")), c.Doc)
		}
	}},
	{"retention/lagging", "a feed that history has left behind tells so, or tells everything", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{"n":1}`)
		f, lost := s.watch(s.now()), false
		copied := copied(s.oracle(t, alpha, f.cursor))
		f.onLost = func(b backends.Batch) {
			copied, lost = state(s.oracle(t, alpha, b.Cursor)), true
		}
		s.update(note("a"), `{"n":2}`)
		s.insert(note("b"), `{}`)
		h.Forget(t, s.b)
		s.insert(note("c"), `{}`)
		for end := s.now(); !f.cursor.Reached(end); {
			if batch := f.next(); !batch.LostAll && len(batch.Lost) == 0 {
				copied.applyAll(alpha, batch.Changes)
			}
		}
		s.want(fmt.Sprintf("copy (lost: %v)", lost), diff(copied, s.oracle(t, alpha, f.cursor)), "")
	}},
	{"retention/racing", "while history is being forgotten, a resume is exact or refused", func(t T, h Harness) {
		s := open(t, h)
		crowd := s.churn(3)
		resumed, refused := 0, 0
		for i := range crowd.turns(60) {
			from := s.list(alpha, "notes", nil).Cursor
			if i%2 == 0 {
				s.upsert(note("a"), `{}`)
				h.Forget(t, s.b)
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
	}},
	{"restore/state", "a restored backup is the data as it was at the backup", func(t T, h Harness) {
		s := open(t, h)
		a := s.insert(note("a"), `{"n":1}`).Doc
		restore := h.Backup(t, s.b)
		s.update(note("a"), `{"n":2}`)
		s.insert(note("b"), `{}`)
		restored := s.over(restore())
		restored.same("get", restored.get(note("a")), a)
		restored.want("documents", len(restored.list(alpha, "notes", nil).Docs), 1)
	}},
	{"restore/future", "a cursor from after the backup is ErrCursor in the restored data", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{}`)
		restore := h.Backup(t, s.b)
		s.insert(note("b"), `{}`)
		future := s.now()
		s.over(restore()).expired(future)
	}},
	{"restore/reissued", "a cursor from after the backup stays ErrCursor when its numbers have come again", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{}`)
		restore := h.Backup(t, s.b)
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
	}},
	{"restore/before", "a cursor from before the backup is exact in the restored data, or refused", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{}`)
		before := s.now()
		s.insert(note("b"), `{}`)
		restore := h.Backup(t, s.b)
		s.delete(note("a"))
		restored := s.over(restore())
		c := restored.insert(note("c"), `{}`)
		batch, err := restored.b.Since(s.ctx, alpha, before, 1<<20)
		if err != nil {
			s.is("since", err, backends.ErrCursor)
			return
		}
		if len(batch.Lost) > 0 {
			s.again("since lost the scope")
		}
		s.data("the document of before the backup", last(batch.Changes, note("b")), `{}`)
		s.same("the document of after the restore", last(batch.Changes, note("c")), c.Doc)
		s.want("changes", len(batch.Changes), 2)
	}},
	{"restore/goes-on", "lists, feeds and Since of restored data are as exact as ever", func(t T, h Harness) {
		s := open(t, h)
		s.insert(note("a"), `{"n":1}`)
		restored := s.over(h.Backup(t, s.b)())
		p := restored.list(alpha, "notes", nil)
		restored.update(note("a"), `{"n":2}`)
		c := restored.insert(note("b"), `{}`)
		got := join(p, restored.watch(p.Cursor).until(restored.now(), alpha))
		restored.data("list and feed", pick(got["notes"], "a"), `{"n":2}`)
		restored.same("list and feed", pick(got["notes"], "b"), c.Doc)
		restored.want("changes", len(restored.since(alpha, p.Cursor).Changes) >= 2, true)
	}},
}
