package conformance

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// entry is one that does not expire.
func entry(kind, key, body string) backends.Entry {
	return backends.Entry{
		Kind: kind, Key: key, Body: []byte(body), At: time.Now().UTC().Truncate(time.Millisecond),
	}
}

func (s *trial) put(e backends.Entry) {
	s.Helper()
	s.ok("put", s.b.Put(s.ctx, e, false))
}

// keys finds entries and returns their keys.
func (s *trial) keys(kind, prefix, after string, limit int) (keys []string) {
	s.Helper()
	found, err := s.b.Find(s.ctx, kind, prefix, after, limit)
	s.ok("find", err)
	for _, e := range found {
		s.want("kind", e.Kind, kind)
		keys = append(keys, e.Key)
	}
	return keys
}

// lastKeys is keys of FindLast.
func (s *trial) lastKeys(kind, prefix, before string, limit int) (keys []string) {
	s.Helper()
	found, err := s.b.FindLast(s.ctx, kind, prefix, before, limit)
	s.ok("find last", err)
	for _, e := range found {
		keys = append(keys, e.Key)
	}
	return keys
}

// wantEntries compares entries with what Find returns, bytes and times and all.
func (s *trial) wantEntries(want []backends.Entry, kind, prefix, after string) {
	s.Helper()
	found, err := s.b.Find(s.ctx, kind, prefix, after, 100)
	s.ok("find", err)
	s.want("entries", len(found), len(want))
	for i := range want {
		s.want("key", found[i].Key, want[i].Key)
		s.want("body", string(found[i].Body), string(want[i].Body))
		s.want("times", found[i].At.Equal(want[i].At) && found[i].Expires.Equal(want[i].Expires), true)
	}
}

// auditRow is a row of the audit trail. Rows of greater numbers have greater ids.
func auditRow(workspace string, at time.Time, n int) backends.Entry {
	return auditRowUntil(workspace, at, at.Add(time.Hour), n)
}

func auditRowUntil(workspace string, at, expires time.Time, n int) backends.Entry {
	id := fmt.Sprintf("%024x", n+1)
	stamp := func(t time.Time) string { return string(protocol.AppendTime(nil, t)) }
	body := fmt.Sprintf(`{"_id":%q,"metadata":{"at":%q,"n":1.5},"occurredAt":%q,`+
		`"retention":{"expiresAt":%q,"legalHold":false,"policy":"default"},"schemaVersion":1,"workspaceId":%q}`,
		id, stamp(at), stamp(at), stamp(expires), workspace)
	return backends.Entry{
		Kind: backends.AuditKind, Key: backends.AuditKey(workspace, at, id), Body: []byte(body), At: at, Expires: expires,
	}
}

// workspaces names those that have rows, in any order of the backend's; sorted here.
func (s *trial) workspaces() (all []string) {
	s.Helper()
	for after := ""; ; {
		found, err := s.b.Find(s.ctx, backends.AuditKind, "", after, 1)
		s.ok("find", err)
		if len(found) == 0 {
			slices.Sort(all)
			return all
		}
		workspace, _, _, _ := backends.ParseAuditKey(found[0].Key)
		all, after = append(all, workspace), backends.AfterWorkspace(workspace)
	}
}

// oneEntry makes an entry of a transaction.
func oneEntry([]backends.Change) []backends.Entry {
	return []backends.Entry{entry("trail", newID(), "")}
}

// audited carries out a write alone that leaves an entry, and looks what the entry was made of.
func (s *trial) audited(what string, w backends.Write) {
	s.Helper()
	key := newID()
	tx := s.tx(alpha, w)
	tx.Entries = func(cs []backends.Change) []backends.Entry {
		return []backends.Entry{entry("trail", key, sayChange(cs[0]))}
	}
	out := s.succeed(tx)
	found, err := s.b.Find(s.ctx, "trail", key, "", 1)
	s.ok("find", err)
	s.want("entries of one "+what, len(found), 1)
	s.want("what the entry of one "+what+" was made of", string(found[0].Body), sayChange(out.Changes[0]))
}

// sayChange says what was before and what is now.
func sayChange(c backends.Change) string {
	text := c.Op.String() + " " + c.Ref.ID
	for _, d := range []*protocol.Document{c.Before, c.Doc} {
		if text += " none"; d != nil {
			text = text[:len(text)-len("none")] + string(d.Data)
		}
	}
	return text
}

var ledgerRules = []Rule{
	{
		ID:   "ledger/put",
		Says: "an entry comes back as it was put, bytes and times and all",
		Check: func(s *trial) {
			e := entry("k", "a", "\x00\xff binary")
			e.Expires = e.At.Add(time.Hour)
			s.put(e)
			found, err := s.b.Find(s.ctx, "k", "", "", 10)
			s.ok("find", err)
			s.want("entries", len(found), 1)
			s.want("body", string(found[0].Body), string(e.Body))
			s.want("times", found[0].At.Equal(e.At) && found[0].Expires.Equal(e.Expires), true)
			s.want("key", found[0].Key, "a")
		},
	},
	{
		ID:   "ledger/never",
		Says: "an entry without an end of its own has none when it comes back",
		Check: func(s *trial) {
			s.put(entry("k", "a", "x"))
			e, err := s.b.Take(s.ctx, "k", "a")
			s.ok("take", err)
			s.want("expires is zero", e.Expires.IsZero(), true)
		},
	},
	{
		ID:   "ledger/overwrite",
		Says: "Put replaces the entry of its key",
		Check: func(s *trial) {
			s.put(entry("k", "a", "1"))
			s.put(entry("k", "a", "2"))
			s.want("keys", s.keys("k", "", "", 10), []string{"a"})
			e, err := s.b.Take(s.ctx, "k", "a")
			s.ok("take", err)
			s.want("body", string(e.Body), "2")
		},
	},
	{
		ID:   "ledger/if-absent",
		Says: "Put ifAbsent is already_exists on a taken key and leaves the entry alone",
		Check: func(s *trial) {
			s.ok("put", s.b.Put(s.ctx, entry("k", "a", "1"), true))
			s.code("put again", s.b.Put(s.ctx, entry("k", "a", "2"), true), protocol.CodeAlreadyExists)
			e, err := s.b.Take(s.ctx, "k", "a")
			s.ok("take", err)
			s.want("body", string(e.Body), "1")
			s.ok("put after take", s.b.Put(s.ctx, entry("k", "a", "3"), true))
		},
	},
	{
		ID:   "ledger/take",
		Says: "Take removes what it returns; what is not there is not_found",
		Check: func(s *trial) {
			s.put(entry("k", "a", "1"))
			_, err := s.b.Take(s.ctx, "k", "a")
			s.ok("take", err)
			_, err = s.b.Take(s.ctx, "k", "a")
			s.code("take again", err, protocol.CodeNotFound)
			s.want("keys", len(s.keys("k", "", "", 10)), 0)
		},
	},
	{
		ID:   "ledger/take-once",
		Says: "of many who take an entry at once, in any process, one gets it",
		Check: func(s *trial) {
			for round := range 10 {
				key := fmt.Sprint("ticket", round)
				s.put(entry("k", key, "x"))
				var got atomic.Int32
				s.together(6, func(on *trial, i int) {
					_, err := on.b.Take(on.ctx, "k", key)
					if err == nil {
						got.Add(1)
						return
					}
					on.code("take", err, protocol.CodeNotFound)
				})
				s.want("takers", int(got.Load()), 1)
			}
		},
	},
	{
		ID:   "ledger/put-once",
		Says: "of many who put one key ifAbsent at once, one succeeds",
		Check: func(s *trial) {
			for round := range 10 {
				var done atomic.Int32
				s.together(6, func(on *trial, i int) {
					err := on.b.Put(on.ctx, entry("k", fmt.Sprint("key", round), "x"), true)
					if err == nil {
						done.Add(1)
						return
					}
					on.code("put", err, protocol.CodeAlreadyExists)
				})
				s.want("puts that succeeded", int(done.Load()), 1)
			}
		},
	},
	{
		ID:   "ledger/kinds",
		Says: "a key is unique within its kind only",
		Check: func(s *trial) {
			s.put(entry("k", "a", "1"))
			s.ok("put of another kind", s.b.Put(s.ctx, entry("kk", "a", "2"), true))
			e, err := s.b.Take(s.ctx, "kk", "a")
			s.ok("take", err)
			s.want("body", string(e.Body), "2")
			s.want("keys", s.keys("k", "", "", 10), []string{"a"})
		},
	},
	{
		ID:   "ledger/find",
		Says: "Find lists by key what has the prefix and comes after, at most so many",
		Check: func(s *trial) {
			for _, key := range []string{
				"b/1", "a/2", "a/1", "a/10", "a", "A/1", "a%/1", "a_/1", "aé/1", "a/\xf0\x9f\x8e\x88",
			} {
				s.put(entry("k", key, ""))
			}
			s.want(
				"all", s.keys("k", "", "", 100),
				[]string{"A/1", "a", "a%/1", "a/1", "a/10", "a/2", "a/🎈", "a_/1", "aé/1", "b/1"},
			)
			s.want("by prefix", s.keys("k", "a/", "", 100), []string{"a/1", "a/10", "a/2", "a/🎈"})
			s.want("by an odd prefix", s.keys("k", "a%", "", 100), []string{"a%/1"})
			s.want("by another odd prefix", s.keys("k", "a_", "", 100), []string{"a_/1"})
			s.want("the first", s.keys("k", "a/", "", 2), []string{"a/1", "a/10"})
			s.want("the rest", s.keys("k", "a/", "a/10", 100), []string{"a/2", "a/🎈"})
			s.want("none", len(s.keys("k", "c", "", 100)), 0)
			s.want("as many as none", len(s.keys("k", "", "", 0)), 0)
		},
	},
	{
		ID:   "ledger/expired",
		Says: "an expired entry is as good as gone",
		Check: func(s *trial) {
			e := entry("k", "a", "1")
			e.Expires = time.Now().Add(-time.Minute)
			s.put(e)
			s.want("keys", len(s.keys("k", "", "", 10)), 0)
			_, err := s.b.Take(s.ctx, "k", "a")
			s.code("take", err, protocol.CodeNotFound)
			s.ok("put ifAbsent", s.b.Put(s.ctx, entry("k", "a", "2"), true))
			s.want("keys after that", s.keys("k", "", "", 10), []string{"a"})
		},
	},
	{
		ID:   "ledger/entries",
		Says: "a transaction's entries are kept with its writes, made from its changes",
		Check: func(s *trial) {
			tx := s.tx(alpha, ins("notes", "a", `{"n":1}`), ins("notes", "b", `{}`))
			tx.Entries = func(cs []backends.Change) (es []backends.Entry) {
				for _, c := range cs {
					es = append(es, entry("trail", c.Ref.ID, c.Op.String()+string(c.Doc.Data)))
				}
				return es
			}
			s.succeed(tx)
			s.want("keys", s.keys("trail", "", "", 10), []string{"a", "b"})
			e, err := s.b.Take(s.ctx, "trail", "a")
			s.ok("take", err)
			s.want("body", string(e.Body), `insert{"n":1}`)
		},
	},
	{
		ID:   "ledger/entries-refused",
		Says: "a transaction that is refused or replayed leaves no entries",
		Check: func(s *trial) {
			audit := func([]backends.Change) []backends.Entry { return []backends.Entry{entry("trail", newID(), "")} }
			tx := s.tx(alpha, ins("notes", "a", `{}`), del("notes", "x"))
			tx.Entries = audit
			_, err := s.try(tx)
			s.code("write", err, protocol.CodeNotFound)
			s.want("entries", len(s.keys("trail", "", "", 10)), 0)
			again := s.remembered("m", 1, ins("notes", "a", `{}`))
			again.Entries = audit
			for range 3 {
				s.succeed(again)
			}
			s.want("entries", len(s.keys("trail", "", "", 10)), 1)
		},
	},
	{
		ID:   "ledger/entries-alone",
		Says: "a write alone leaves its entry with its document, whatever it does and beside many others",
		Check: func(s *trial) {
			for round := range 3 {
				s.together(8, func(on *trial, i int) {
					id := fmt.Sprintf("%d-%d", round, i)
					on.audited("insert", ins("notes", id, `{"n":1}`))
					on.audited("update", upd("notes", id, `{"n":2}`))
					on.audited("upsert", find("notes", `{"k":"`+id+`"}`, newID(), `{"n":3}`))
					on.audited("upsert", find("notes", `{"k":"`+id+`"}`, newID(), `{"n":4}`))
					on.audited("delete", del("notes", id))
				})
			}
			s.want("entries", len(s.keys("trail", "", "", 1000)), 3*8*5)
		},
	},
	{
		ID:   "ledger/entries-refused-alone",
		Says: "a write alone that is refused or replayed leaves no entry, beside others that are carried out",
		Check: func(s *trial) {
			s.succeed(s.tx(alpha, ins("notes", "taken", `{}`)))
			s.together(8, func(on *trial, i int) {
				for _, w := range []backends.Write{
					ins("notes", "taken", `{}`), upd("notes", "none", `{}`), del("notes", "none"),
				} {
					tx := on.tx(alpha, w)
					tx.Entries = oneEntry
					_, err := on.try(tx)
					on.want(w.Op.String()+" is refused", err != nil, true)
				}
				tx := on.remembered(fmt.Sprint("m", i), 1, ins("notes", newID(), `{}`))
				tx.Entries = oneEntry
				on.succeed(tx)
				on.succeed(tx)
			})
			s.want("entries", len(s.keys("trail", "", "", 1000)), 8)
		},
	},
	{
		ID:   "ledger/find-last",
		Says: "FindLast lists by key, greatest first, what has the prefix and comes before, at most so many",
		Check: func(s *trial) {
			for _, key := range []string{"b/1", "a/2", "a/1", "a/10", "a", "a0", "a/\xf0\x9f\x8e\x88"} {
				s.put(entry("k", key, ""))
			}
			gone := entry("k", "a/3", "")
			gone.Expires = time.Now().Add(-time.Minute)
			s.put(gone)
			s.want(
				"all",
				s.lastKeys("k", "", "", 100),
				[]string{"b/1", "a0", "a/🎈", "a/2", "a/10", "a/1", "a"},
			)
			s.want("by prefix", s.lastKeys("k", "a/", "", 100), []string{"a/🎈", "a/2", "a/10", "a/1"})
			s.want("before", s.lastKeys("k", "a/", "a/2", 1), []string{"a/10"})
			s.want("before what is beyond", s.lastKeys("k", "a/", "b/1", 1), []string{"a/🎈"})
			s.want("none", len(s.lastKeys("k", "a/", "a/", 100)), 0)
			s.want("as many as none", len(s.lastKeys("k", "", "", 0)), 0)
		},
	},
	{
		ID:   "ledger/audit",
		Says: "a row of the audit trail comes back as it was put, by its key, in the order of time",
		Check: func(s *trial) {
			at := time.Now().UTC().Truncate(time.Millisecond)
			var want []backends.Entry
			for i := range 4 {
				want = append(want, auditRow("w", at.Add(time.Duration(i/2)*time.Millisecond), i))
			}
			for _, i := range []int{2, 0, 3, 1} {
				s.put(want[i])
			}
			s.put(auditRow("v", at, 4))
			s.put(auditRow("w-x", at, 5))
			s.wantEntries(want, backends.AuditKind, "w/", "")
			s.wantEntries(want[2:], backends.AuditKind, "w/", want[1].Key)
			s.want(
				"last",
				s.lastKeys(backends.AuditKind, "w/", want[2].Key, 10),
				[]string{want[1].Key, want[0].Key},
			)
			s.want(
				"last before a time",
				s.lastKeys(backends.AuditKind, "w/", backends.AuditKey("w", want[2].At, ""), 1),
				[]string{want[1].Key},
			)
			s.want("workspaces", s.workspaces(), []string{"v", "w", "w-x"})
			e, err := s.b.Take(s.ctx, backends.AuditKind, want[0].Key)
			s.ok("take", err)
			s.want("body", string(e.Body), string(want[0].Body))
			s.code("put again", s.b.Put(s.ctx, want[1], true), protocol.CodeAlreadyExists)
			s.put(auditRowUntil("w", at, at.Add(-time.Minute), 6))
			s.wantEntries(want[1:], backends.AuditKind, "w/", "")
		},
	},
	{
		ID:   "ledger/apart",
		Says: "the ledger is no part of the documents: feeds and lists do not show it",
		Check: func(s *trial) {
			f := s.watch(s.now(), alpha)
			s.put(entry("k", "a", `{}`))
			s.want("changes", len(f.until(s.now(), alpha)), 0)
			s.want("collections", len(s.counts(nil)), 0)
		},
	},
	{
		ID:   "ledger/reopen",
		Says: "another process finds the same entries",
		Check: func(s *trial) {
			s.put(entry("k", "a", "1"))
			other := s.over(s.h.Reopen(s, s.b))
			s.want("keys", other.keys("k", "", "", 10), []string{"a"})
		},
	},
}
