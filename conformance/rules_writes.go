package conformance

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var writeRules = []Rule{
	{
		ID:   "writes/insert-taken",
		Says: "an insert under a taken id is already_exists and changes nothing",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{"n":1}`)
			s.refuse(protocol.CodeAlreadyExists, alpha, ins("notes", "a", `{"n":2}`))
			s.same("get", s.get(note("a")), c.Doc)
		},
	},
	{
		ID:   "writes/update",
		Says: "an update replaces the fields it names, whole, and keeps the others",
		Check: func(s *trial) {
			s.insert(note("a"), `{"keep":1,"deep":{"x":1,"y":2},"n":1}`)
			s.update(note("a"), `{"deep":{"x":3},"n":null,"new":true}`)
			s.data("get", s.get(note("a")), `{"deep":{"x":3},"keep":1,"n":null,"new":true}`)
		},
	},
	{
		ID:   "writes/missing",
		Says: "update and delete of a document that is not there are not_found and make none",
		Check: func(s *trial) {
			s.refuse(protocol.CodeNotFound, alpha, upd("notes", "a", `{}`))
			s.refuse(protocol.CodeNotFound, alpha, del("notes", "a"))
			s.insert(note("a"), `{}`)
			s.delete(note("a"))
			s.refuse(protocol.CodeNotFound, alpha, upd("notes", "a", `{}`))
			s.refuse(protocol.CodeNotFound, alpha, del("notes", "a"))
			s.same("get", s.get(note("a")), nil)
		},
	},
	{
		ID:   "writes/delete",
		Says: "a deleted document is gone from every read",
		Check: func(s *trial) {
			s.insert(note("a"), `{}`)
			s.insert(note("b"), `{}`)
			c := s.delete(note("a"))
			s.want("operation", c.Op, backends.Delete)
			s.same("answer", c.Doc, nil)
			s.same("get", s.get(note("a")), nil)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1)
		},
	},
	{
		ID:   "writes/reinsert",
		Says: "an id may be used again after its delete, for a document that is new in everything",
		Check: func(s *trial) {
			old := s.insert(note("a"), `{"old":1}`).Doc
			s.delete(note("a"))
			tx := s.tx(alpha, ins("notes", "a", `{"new":1}`))
			tx.At = old.Created.Add(1e9)
			_, err := s.try(tx)
			s.ok("insert", err)
			d := s.get(note("a"))
			s.data("get", d, `{"new":1}`)
			s.want("created", d.Created, tx.At.UTC())
		},
	},
	{
		ID:   "writes/before",
		Says: "a write's outcome carries the document as it was before",
		Check: func(s *trial) {
			first := s.insert(note("a"), `{"n":1}`)
			s.same("before an insert", first.Before, nil)
			second := s.update(note("a"), `{"n":2}`)
			s.same("before an update", second.Before, first.Doc)
			s.same("before a delete", s.delete(note("a")).Before, second.Doc)
		},
	},
	{
		ID:   "writes/outcome",
		Says: "a write's outcome names document, operation and actor",
		Check: func(s *trial) {
			tx := s.tx(
				alpha, ins("notes", "a", `{}`), upd("notes", "a", `{}`), del("notes", "a"), ups("notes", "a", `{}`),
				ups("notes", "a", `{}`),
			)
			tx.By = robot
			for i, c := range s.succeed(tx).Changes {
				want := []backends.Op{
					backends.Insert, backends.Update, backends.Delete, backends.Insert, backends.Update,
				}[i]
				s.want(fmt.Sprint("operation ", i), c.Op, want)
				s.want("document", c.Ref, note("a"))
				s.want("actor", c.By, robot)
			}
		},
	},
	{
		ID:   "writes/empty-update",
		Says: "an empty update is a write: the document is newer and the feed tells it",
		Check: func(s *trial) {
			d := s.insert(note("a"), `{"n":1}`).Doc
			from := s.now()
			c := s.update(note("a"), `{}`)
			s.want("it is newer", c.Doc.Updated.After(d.Updated), true)
			s.everywhere(from, c.Doc)
		},
	},
	{
		ID:   "writes/names",
		Says: "without paths, names with dots and dollars are just names",
		Check: func(s *trial) {
			s.insert(note("a"), `{"a":{"b":1}}`)
			s.update(note("a"), `{"a.b":2,"$set":{"x":1},"":3,"__proto__":4}`)
			s.data("get", s.get(note("a")), `{"":3,"$set":{"x":1},"__proto__":4,"a":{"b":1},"a.b":2}`)
		},
	},
	{
		ID:   "writes/paths",
		Says: "with paths, names with dots lead to nested fields",
		Check: func(s *trial) {
			s.insert(note("a"), `{"a":{"b":1,"c":[1,2]},"s":1}`)
			s.commit(alpha, paths(upd("notes", "a", `{"a.b":2,"a.c.1":3,"x.y":4}`)))
			s.data("get", s.get(note("a")), `{"a":{"b":2,"c":[1,3]},"s":1,"x":{"y":4}}`)
			s.refuse(protocol.CodeInvalidDocument, alpha, paths(upd("notes", "a", `{"s.t":1}`)))
		},
	},
	{
		ID:   "writes/if-rev",
		Says: "ifRev lets a write through on the current revision only",
		Check: func(s *trial) {
			first := s.insert(note("a"), `{"n":1}`).Doc
			second := s.commit(alpha, ifRev(upd("notes", "a", `{"n":2}`), first.Rev))[0].Doc
			s.refuse(protocol.CodeConflict, alpha, ifRev(upd("notes", "a", `{"n":3}`), first.Rev))
			s.refuse(protocol.CodeConflict, alpha, ifRev(del("notes", "a"), first.Rev))
			s.same("get", s.get(note("a")), second)
			s.commit(alpha, ifRev(del("notes", "a"), second.Rev))
			s.same("get", s.get(note("a")), nil)
		},
	},
	{
		ID:   "writes/if-rev-outside",
		Says: "a stranger's change makes the revision a new one",
		Check: func(s *trial) {
			d := s.insert(note("a"), `{"n":1}`).Doc
			s.outside(Step{Kind: "update", Ref: note("a"), Data: `{"n":2}`})
			s.refuse(protocol.CodeConflict, alpha, ifRev(upd("notes", "a", `{"n":3}`), d.Rev))
			now, _ := s.getFrom(note("a"), s.now())
			s.commit(alpha, ifRev(upd("notes", "a", `{"n":3}`), now.Rev))
		},
	},
	{
		ID: "writes/size",
		Says: "a write whose result is over its byte bound is too_large and changes nothing; " +
			"a document that is over it already may grow and shrink",
		Check: func(s *trial) {
			long := `{"text":"` + strings.Repeat("x", 100) + `"}`
			s.refuse(protocol.CodeTooLarge, alpha, atMost(ins("notes", "a", long), 50))
			s.same("get", s.get(note("a")), nil)
			c := s.insert(note("a"), `{"n":1}`)
			s.refuse(protocol.CodeTooLarge, alpha, atMost(upd("notes", "a", long), 50))
			s.same("get", s.get(note("a")), c.Doc)
			s.commit(alpha, upd("notes", "a", long))
			s.commit(alpha, atMost(upd("notes", "a", `{"more":1}`), 50))
			s.data("get", s.get(note("a")), `{"more":1,"n":1,`+long[1:])
			s.commit(alpha, atMost(upd("notes", "a", `{"text":"`+strings.Repeat("x", 60)+`"}`), 50))
		},
	},
	{
		ID:   "writes/order",
		Says: "the transactions of one call take effect in their order",
		Check: func(s *trial) {
			txs := []backends.Tx{
				s.tx(
					alpha, ins("notes", "a", `{"n":1}`),
				), s.tx(alpha, upd("notes", "a", `{"n":2}`)), s.tx(alpha, del("notes", "a")),
				s.tx(alpha, ins("notes", "a", `{"n":3}`)), s.tx(alpha, upd("notes", "a", `{"m":4}`)),
			}
			outcomes := s.b.Write(s.ctx, txs)
			s.want("outcomes", len(outcomes), len(txs))
			for i, o := range outcomes {
				s.ok(fmt.Sprint("transaction ", i), o.Err)
			}
			s.data("second answer", outcomes[1].Changes[0].Doc, `{"n":2}`)
			s.data("get", s.get(note("a")), `{"m":4,"n":3}`)
		},
	},
	{
		ID:   "writes/apart",
		Says: "a transaction that is refused leaves the others of its call alone",
		Check: func(s *trial) {
			outcomes := s.b.Write(s.ctx, []backends.Tx{
				s.tx(alpha, ins("notes", "a", `{}`)), s.tx(alpha, ins("notes", "b", `{}`), ins("notes", "a", `{}`)),
				s.tx(beta, upd("notes", "a", `{}`)), s.tx(alpha, ins("notes", "c", `{}`)),
			})
			s.ok("first", outcomes[0].Err)
			s.code("second", outcomes[1].Err, protocol.CodeAlreadyExists)
			s.code("third", outcomes[2].Err, protocol.CodeNotFound)
			s.ok("fourth", outcomes[3].Err)
			s.same("get", s.get(note("b")), nil)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 2)
		},
	},
	{
		ID:   "writes/acknowledged",
		Says: "a write that was answered is seen by every read that begins later, by any process",
		Check: func(s *trial) {
			other := s.over(s.h.Reopen(s, s.b))
			for i := range 40 {
				s.upsert(note("a"), fmt.Sprintf(`{"n":%d}`, i))
				want := fmt.Sprintf(`{"n":%d}`, i)
				s.data("get", s.get(note("a")), want)
				s.data("list", &s.list(alpha, "notes", nil).Docs[0], want)
				s.data("get by another process", other.get(note("a")), want)
			}
		},
	},
	{
		ID:   "writes/many",
		Says: "a thousand transactions in one call are answered each at its place",
		Check: func(s *trial) {
			var txs []backends.Tx
			for i := range 1000 {
				txs = append(txs, s.tx(alpha, ins("notes", fmt.Sprintf("d%04d", i), fmt.Sprintf(`{"n":%d}`, i))))
			}
			for i, o := range s.b.Write(s.ctx, txs) {
				s.ok("write", o.Err)
				s.data("answer", o.Changes[0].Doc, fmt.Sprintf(`{"n":%d}`, i))
			}
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 1000)
		},
	},
}
