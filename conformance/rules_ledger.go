package conformance

import (
	"fmt"
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
					es = append(es, entry("audit", c.Ref.ID, c.Op.String()+string(c.Doc.Data)))
				}
				return es
			}
			s.succeed(tx)
			s.want("keys", s.keys("audit", "", "", 10), []string{"a", "b"})
			e, err := s.b.Take(s.ctx, "audit", "a")
			s.ok("take", err)
			s.want("body", string(e.Body), `insert{"n":1}`)
		},
	},
	{
		ID:   "ledger/entries-refused",
		Says: "a transaction that is refused or replayed leaves no entries",
		Check: func(s *trial) {
			audit := func([]backends.Change) []backends.Entry { return []backends.Entry{entry("audit", newID(), "")} }
			tx := s.tx(alpha, ins("notes", "a", `{}`), del("notes", "x"))
			tx.Entries = audit
			_, err := s.try(tx)
			s.code("write", err, protocol.CodeNotFound)
			s.want("entries", len(s.keys("audit", "", "", 10)), 0)
			again := s.remembered("m", 1, ins("notes", "a", `{}`))
			again.Entries = audit
			for range 3 {
				s.succeed(again)
			}
			s.want("entries", len(s.keys("audit", "", "", 10)), 1)
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
