package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// since is a Batch that must come, and whole.
func (s *trial) since(scope protocol.Scope, from backends.Cursor) backends.Batch {
	s.Helper()
	batch, err := s.b.Since(s.ctx, scope, from, 1<<30)
	s.ok("since", err)
	if batch.LostAll || len(batch.Lost) > 0 {
		s.Inconclusive("since lost the scope")
	}
	return batch
}

var sinceRules = []Rule{
	{
		ID:   "since/exact",
		Says: "Since, applied to the scope's state at a cursor, gives the state at its own cursor",
		Check: func(s *trial) {
			cursors := []backends.Cursor{s.now()}
			crowd := s.churn(4)
			for i := range crowd.turns(60) {
				from := cursors[s.rng.IntN(len(cursors))]
				batch, err := s.b.Since(s.ctx, alpha, from, 1<<30)
				s.ok("since", err)
				s.held("since", alpha, from, batch)
				if i%4 == 0 {
					cursors = append(cursors, batch.Cursor)
				}
			}
			crowd.stop()
		},
	},
	{
		ID: "since/merged",
		Says: "a change that stands for several of its document says that it is merged, and a " +
			"document that changed once is not",
		Check: func(s *trial) {
			from := s.now()
			s.commit(alpha, ins("notes", "once", `{}`))
			s.commit(alpha, ins("notes", "twice", `{"n":1}`))
			s.commit(alpha, upd("notes", "twice", `{"n":2}`))
			s.commit(alpha, ins("notes", "again", `{}`))
			s.commit(alpha, del("notes", "again"))
			s.commit(alpha, ins("notes", "again", `{"n":2}`))
			merged, seen := map[string]bool{}, map[string]int{}
			for _, c := range s.since(alpha, from).Changes {
				merged[c.Ref.ID], seen[c.Ref.ID] = c.Merged, seen[c.Ref.ID]+1
			}
			s.want("once is merged", merged["once"], false)
			s.want("twice is merged, or told twice", merged["twice"] || seen["twice"] == 2, true)
			s.want("again is merged, or told three times", merged["again"] || seen["again"] == 3, true)
		},
	},
	{
		ID:   "since/steps",
		Says: "steps of Since from cursor to cursor lead from an empty copy to the whole scope",
		Check: func(s *trial) {
			at, copied := s.now(), state{}
			crowd := s.churn(3)
			for i := range crowd.turns(40) {
				if i == 39 {
					crowd.stop()
				}
				batch := s.since(alpha, s.reparse(at))
				copied.applyAll(alpha, batch.Changes)
				at = batch.Cursor
			}
			s.want("copy", diff(copied, s.oracle(s, alpha, at)), "")
		},
	},
	{
		ID: "since/now",
		Says: "Since shows everything that was committed before it was called, strangers' writes " +
			"included",
		Check: func(s *trial) {
			from := s.now()
			for i := range 20 {
				r := note(fmt.Sprint("d", i))
				if i%2 == 0 {
					s.insert(r, `{"n":1}`)
				} else {
					s.outside(Step{Kind: "insert", Ref: r, Data: `{"n":1}`})
				}
				s.data("since", last(s.since(alpha, from).Changes, r), `{"n":1}`)
			}
		},
	},
	{
		ID:   "since/nothing",
		Says: "Since of a scope at rest is an empty batch whose cursor is no older",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			from := s.now()
			batch := s.since(alpha, from)
			s.want("changes", len(batch.Changes), 0)
			s.want("the cursor has reached the old one", batch.Cursor.Reached(from), true)
		},
	},
	{
		ID:   "since/too-big",
		Says: "Since whose documents are over the byte bound is ErrTooBig, below it the whole batch",
		Check: func(s *trial) {
			from := s.now()
			for i := range 10 {
				s.insert(note(fmt.Sprint("d", i)), `{"text":"`+strings.Repeat("x", 10_000)+`"}`)
			}
			_, err := s.b.Since(s.ctx, alpha, from, 50_000)
			s.is("since", err, backends.ErrTooBig)
			batch, err := s.b.Since(s.ctx, alpha, from, 200_000)
			s.ok("since", err)
			s.want("changes", len(batch.Changes), 10)
			_, err = s.b.Since(s.ctx, beta, from, 1)
			s.ok("since of another scope", err)
		},
	},
	{
		ID:   "since/other-scopes",
		Says: "another scope's writes do not keep a scope's Since from its end",
		Check: func(s *trial) {
			from := s.now()
			s.insert(protocol.Ref{Scope: beta, Collection: "notes", ID: "a"}, `{}`)
			c := s.insert(protocol.Ref{Scope: beta, Collection: "notes", ID: "b"}, `{}`)
			batch := s.since(alpha, from)
			s.want("changes", len(batch.Changes), 0)
			s.want("the cursor covers the other scope's change", batch.Cursor.Covers(c), true)
		},
	},
	{
		ID:   "cursor/bytes",
		Says: "a cursor survives its bytes, which are at most a kibibyte, in another process too",
		Check: func(s *trial) {
			other := s.h.Reopen(s, s.b)
			crowd := s.churn(8)
			for range crowd.turns(30) {
				c := s.list(alpha, "notes", nil).Cursor
				raw := c.Append(nil)
				s.want(fmt.Sprint(len(raw), " bytes are within the bound"), len(raw) <= 1024, true)
				for _, b := range []backends.Backend{s.b, other} {
					again, err := b.Cursor(s.ctx, raw)
					s.ok("cursor", err)
					s.want("equal", c.Reached(again) && again.Reached(c), true)
					s.want("bytes", string(again.Append([]byte("x"))), "x"+string(raw))
				}
			}
			crowd.stop()
		},
	},
	{
		ID:   "cursor/nested",
		Says: "of any two cursors one has reached the other, and later reads reach earlier ones' writes",
		Check: func(s *trial) {
			other := s.over(s.h.Reopen(s, s.b))
			crowd := s.churn(6)
			var cursors []backends.Cursor
			for range crowd.turns(25) {
				cursors = append(cursors, s.list(alpha, "notes", nil).Cursor, other.list(alpha, "notes", nil).Cursor)
			}
			crowd.stop()
			end := s.now()
			for i, a := range cursors {
				s.want("a cursor has reached itself", a.Reached(a), true)
				s.want("the end has reached every cursor", end.Reached(a), true)
				for _, b := range cursors[:i] {
					s.want("one has reached the other", a.Reached(b) || b.Reached(a), true)
				}
			}
		},
	},
	{
		ID:   "cursor/covers-reached",
		Says: "a cursor that has reached another covers all that the other covers",
		Check: func(s *trial) {
			f := s.watch(nil)
			crowd := s.churn(4)
			var cursors []backends.Cursor
			var changes []backends.Change
			for range crowd.turns(30) {
				changes = append(changes, f.next().Changes...)
				cursors = append(cursors, f.cursor, s.list(alpha, "notes", nil).Cursor)
			}
			crowd.stop()
			for _, a := range cursors {
				for _, b := range cursors {
					for _, c := range changes {
						if a.Reached(b) && b.Covers(c) && !a.Covers(c) {
							s.Fatalf("a later cursor does not cover a change of %s that an earlier one covers", c.Ref)
						}
					}
				}
			}
		},
	},
	{
		ID:   "cursor/garbage",
		Says: "bytes that are no cursor are ErrCursor",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			raw := s.now().Append(nil)
			bad := [][]byte{
				nil, {}, {0}, raw[:1], raw[:9], raw[:len(raw)-1], []byte("null"), []byte(strings.Repeat("x", 2000)),
				append([]byte{raw[0] + 1}, raw[1:]...),
			}
			for i := 1; i < 9; i++ { // the epoch
				flipped := append([]byte(nil), raw...)
				flipped[i] ^= 0x40
				bad = append(bad, flipped)
			}
			for _, b := range bad {
				_, err := s.b.Cursor(s.ctx, b)
				s.is(fmt.Sprintf("cursor of %x", b), err, backends.ErrCursor)
			}
		},
	},
	{
		ID:   "cursor/random",
		Says: "no bytes make Cursor do anything but answer",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			raw := s.now().Append(nil)
			for range 300 {
				b := append([]byte(nil), raw...)
				for range 1 + s.rng.IntN(3) {
					b[s.rng.IntN(len(b))] = byte(s.rng.IntN(256))
				}
				c, err := s.b.Cursor(s.ctx, b)
				if err == nil {
					_, err = s.b.Since(s.ctx, alpha, c, 1<<20)
				}
				if err != nil && !errors.Is(err, backends.ErrCursor) {
					s.Fatalf("cursor of %x: got %v want %v", b, err, backends.ErrCursor)
				}
			}
		},
	},
	{
		ID: "since/gone",
		Says: "Gone names what the history tells of and is not there any more, whoever deleted it, " +
			"and nothing that is there",
		Check: func(s *trial) {
			s.insert(note("old"), `{}`)
			s.h.Forget(s, s.b)
			for _, id := range []string{"a", "b", "c", "d"} {
				s.insert(note(id), `{}`)
			}
			from := s.now()
			for _, r := range []protocol.Ref{note("b"), note("old"), note("a")} {
				s.delete(r)
			}
			s.insert(note("a"), `{"again":true}`)
			s.outside(Step{Kind: "delete", Ref: note("d")})
			other := note("x")
			other.Scope = beta
			s.insert(other, `{}`)
			s.delete(other)
			s.want("gone since a cursor", s.gone(from), []string{"b", "d", "old"})
			s.want("gone in all that is kept", s.gone(nil), []string{"b", "d", "old"})
			s.delete(note("c"))
			s.want("gone, one more", s.gone(from), []string{"b", "c", "d", "old"})
			_, _, err := s.b.Gone(s.ctx, alpha, from, 3)
			s.is("gone, over the bound", err, backends.ErrTooBig)
			s.h.Forget(s, s.b)
			_, _, err = s.b.Gone(s.ctx, alpha, from, 100)
			s.is("gone, from before the history", err, backends.ErrCursor)
		},
	},
	{
		ID:   "cursor/foreign",
		Says: "another database's cursor is ErrCursor, for Cursor, Since and Watch",
		Check: func(s *trial) {
			other := s.another()
			other.insert(note("a"), `{}`)
			s.insert(note("a"), `{}`)
			s.expired(other.now())
		},
	},
}

// gone is the ids that Gone names, sorted. Its snapshot must not be behind what was answered.
func (s *trial) gone(from backends.Cursor) []string {
	s.Helper()
	now := s.now()
	refs, at, err := s.b.Gone(s.ctx, alpha, from, 100)
	s.ok("gone", err)
	s.want("reached", at.Reached(now), true)
	ids := []string{}
	for _, r := range refs {
		s.want("place", r, note(r.ID))
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

// expired ends the attempt unless the cursor is refused wherever it could be resumed.
func (s *trial) expired(c backends.Cursor) {
	s.Helper()
	_, err := s.b.Cursor(s.ctx, c.Append(nil))
	s.is("cursor", err, backends.ErrCursor)
	_, err = s.b.Since(s.ctx, alpha, c, 1<<20)
	s.is("since", err, backends.ErrCursor)
	feed, err := s.b.Watch(s.ctx, c)
	if err == nil {
		_ = feed.Close()
	}
	s.is("watch", err, backends.ErrCursor)
}
