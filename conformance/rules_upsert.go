package conformance

import (
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// newID is an id as the gateway makes them for upserts by filter.
func newID() string { return protocol.NewID(time.Now()) }

var upsertRules = []Rule{
	{
		ID:   "upsert/id",
		Says: "an upsert by id makes the document, or updates the one that is there",
		Check: func(s *trial) {
			s.want("operation on nothing", s.upsert(note("a"), `{"n":1}`).Op, backends.Insert)
			s.want("operation on a document", s.upsert(note("a"), `{"m":2}`).Op, backends.Update)
			s.data("get", s.get(note("a")), `{"m":2,"n":1}`)
		},
	},
	{
		ID:   "upsert/new-ids",
		Says: "an upsert makes no document under an id or collection name outside the grammar",
		Check: func(s *trial) {
			s.refuse(protocol.CodeNotFound, alpha, ups("notes", newID(), `{}`))
			s.refuse(protocol.CodeInvalidID, alpha, ups("notes", "a/b", `{}`))
			s.refuse(protocol.CodeInvalidID, alpha, ups("no\x01tes", "a", `{}`))
			s.refuse(protocol.CodeInvalidID, alpha, find("no\x01tes", `{"n":1}`, newID(), `{}`))
			s.want("collections", len(s.counts(nil)), 0)
		},
	},
	{
		ID: "upsert/made",
		Says: "an upsert by filter that finds nothing makes filter and data under the new id, and " +
			"data wins",
		Check: func(s *trial) {
			id := newID()
			c := s.commit(alpha, find("notes", `{"k":1,"v":1}`, id, `{"v":2,"w":3}`))[0]
			s.want("operation", c.Op, backends.Insert)
			s.want("id", c.Ref.ID, id)
			s.data("get", s.get(note(id)), `{"k":1,"v":2,"w":3}`)
		},
	},
	{
		ID:   "upsert/found",
		Says: "an upsert by filter updates the document it finds and makes none",
		Check: func(s *trial) {
			s.insert(note("a"), `{"k":1,"v":1}`)
			s.insert(note("b"), `{"k":2,"v":1}`)
			c := s.commit(alpha, find("notes", `{"k":2}`, newID(), `{"v":2}`))[0]
			s.want("operation", c.Op, backends.Update)
			s.want("document", c.Ref, note("b"))
			s.data("get", s.get(note("b")), `{"k":2,"v":2}`)
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), 2)
		},
	},
	{
		ID:   "upsert/equality",
		Says: "a filter is equality of canonical JSON: no value matches its likes",
		Check: func(s *trial) {
			values := []string{
				`1`, `"1"`, `true`, `"true"`, `null`, `"null"`, `0`, `false`, `""`, `[]`, `{}`, `[1]`, `[1,2]`, `{"a":1}`,
				`{"a":1,"b":2}`, `"{\"a\":1}"`, `1.5`, `9007199254740991`, `"é"`, `"É"`, `"e\u0301"`, `"a'b"`, `"a\"b"`,
				`"%"`, `"x "`, `"x"`,
			}
			for i, v := range values {
				s.commit(alpha, find("notes", `{"v":`+v+`}`, newID(), fmt.Sprintf(`{"i":%d}`, i)))
			}
			s.want("documents", len(s.list(alpha, "notes", nil).Docs), len(values))
			for i, v := range values {
				c := s.commit(alpha, find("notes", `{"v":`+v+`}`, newID(), `{"again":true}`))[0]
				s.want("operation for "+v, c.Op, backends.Update)
				s.data("found for "+v, c.Before, string(canonical(fmt.Sprintf(`{"i":%d,"v":%s}`, i, v))))
			}
		},
	},
	{
		ID:   "upsert/null",
		Says: "null in a filter matches a stored null, not a missing field",
		Check: func(s *trial) {
			s.insert(note("a"), `{"k":1}`)
			s.want(
				"operation without a stored null", s.commit(alpha, find("notes", `{"v":null}`, newID(), `{}`))[0].Op,
				backends.Insert,
			)
			s.want(
				"operation with one", s.commit(alpha, find("notes", `{"v":null}`, newID(), `{}`))[0].Op, backends.Update,
			)
		},
	},
	{
		ID:   "upsert/fields",
		Says: "filter fields may have any name",
		Check: func(s *trial) {
			for i, name := range []string{
				``, `a.b`, `$x`, `a'b`, `a\"b`, `__proto__`, `é`, `a b`, `a[0]`, `0`, `*`, `#`, `\\`, `a-b`,
			} {
				filter := fmt.Sprintf(`{"%s":%d}`, name, i)
				s.want(
					"operation for "+name, s.commit(alpha, find("notes", filter, newID(), `{}`))[0].Op, backends.Insert,
				)
				s.want(
					"operation for "+name+" again", s.commit(alpha, find("notes", filter, newID(), `{}`))[0].Op,
					backends.Update,
				)
			}
		},
	},
	{
		ID:   "upsert/all-conditions",
		Says: "a document matches a filter by all its fields, not by some",
		Check: func(s *trial) {
			s.insert(note("a"), `{"j":1,"k":1}`)
			s.insert(note("b"), `{"j":2,"k":2}`)
			s.want("operation", s.commit(alpha, find("notes", `{"j":1,"k":2}`, newID(), `{}`))[0].Op, backends.Insert)
			s.want("document", s.commit(alpha, find("notes", `{"j":2,"k":2}`, newID(), `{}`))[0].Ref, note("b"))
		},
	},
	{
		ID:   "upsert/newest",
		Says: "of several matches the newest is meant, then the smallest id",
		Check: func(s *trial) {
			at := time.Now()
			for i, id := range []string{"old", "b", "a", "c"} {
				tx := s.tx(alpha, ins("notes", id, `{"k":1}`))
				tx.At = at.Add(time.Duration(min(i, 1)) * time.Second)
				_, err := s.try(tx)
				s.ok("insert", err)
			}
			s.want("document", s.commit(alpha, find("notes", `{"k":1}`, newID(), `{"k":2}`))[0].Ref, note("a"))
			s.want("next", s.commit(alpha, find("notes", `{"k":1}`, newID(), `{"k":2}`))[0].Ref, note("b"))
		},
	},
	{
		ID:   "upsert/filter-id",
		Says: "a filter may name the id, alone and beside other fields",
		Check: func(s *trial) {
			s.want(
				"new document", s.commit(alpha, find("notes", `{"_id":"a","k":1}`, newID(), `{}`))[0].Ref, note("a"),
			)
			s.data("get", s.get(note("a")), `{"k":1}`)
			s.want(
				"operation", s.commit(alpha, find("notes", `{"_id":"a"}`, newID(), `{"n":1}`))[0].Op, backends.Update,
			)
			s.refuse(protocol.CodeNotFound, alpha, find("notes", `{"_id":"0123456789abcdef01234567"}`, newID(), `{}`))
		},
	},
	{
		ID: "upsert/filter-id-taken",
		Says: "a filter that names the id of a document it does not match overwrites nothing: " +
			"already_exists",
		Check: func(s *trial) {
			c := s.insert(note("a"), `{"k":1}`)
			s.refuse(protocol.CodeAlreadyExists, alpha, find("notes", `{"_id":"a","k":2}`, newID(), `{"n":1}`))
			s.same("get", s.get(note("a")), c.Doc)
		},
	},
	{
		ID:   "upsert/paths",
		Says: "with paths a filter reaches nested fields, and makes them",
		Check: func(s *trial) {
			id := newID()
			s.commit(alpha, findBy("notes", `{"a.b":1}`, id, `{"a.c":2}`, true))
			s.data("get", s.get(note(id)), `{"a":{"b":1,"c":2}}`)
			s.want(
				"document", s.commit(alpha, findBy("notes", `{"a.b":1}`, newID(), `{"n":1}`, true))[0].Ref, note(id),
			)
			s.want(
				"operation without paths", s.commit(alpha, find("notes", `{"a.b":1}`, newID(), `{}`))[0].Op,
				backends.Insert,
			)
		},
	},
	{
		ID:   "upsert/outside",
		Says: "an upsert finds what a stranger wrote, in whatever form",
		Check: func(s *trial) {
			s.outside(Step{Kind: "insert", Ref: note("a"), Data: `{ "v" : { "y":1.0, "x":"\u0061" } , "k":1E0}`})
			s.want(
				"document", s.commit(alpha, find("notes", `{"k":1,"v":{"x":"a","y":1}}`, newID(), `{"n":1}`))[0].Ref,
				note("a"),
			)
		},
	},
	{
		ID:   "upsert/changed",
		Says: "an upsert looks at documents as they are now, not as they were",
		Check: func(s *trial) {
			s.insert(note("a"), `{"k":1}`)
			s.update(note("a"), `{"k":2}`)
			s.insert(note("b"), `{"k":3}`)
			s.delete(note("b"))
			s.want(
				"operation for the old value", s.commit(alpha, find("notes", `{"k":1}`, newID(), `{}`))[0].Op,
				backends.Insert,
			)
			s.want(
				"operation for the deleted one", s.commit(alpha, find("notes", `{"k":3}`, newID(), `{}`))[0].Op,
				backends.Insert,
			)
			s.want(
				"document for the new value", s.commit(alpha, find("notes", `{"k":2}`, newID(), `{}`))[0].Ref, note("a"),
			)
		},
	},
	{
		ID:   "upsert/in-order",
		Says: "upserts of one call take effect in their order, whatever each of them finds",
		Check: func(s *trial) {
			s.insert(note("a"), `{"k":1}`)
			filters := []string{
				`{"k":2}`, `{"k":3}`, `{"k":2}`, `{"k":1}`, `{"j":1}`, `{"k":1}`, `{"j":1,"k":4}`, `{"j":1}`, `{"k":3}`,
				`{"k":5}`,
			}
			finds := []string{
				"", "", `{"k":2,"n":0}`, `{"k":1}`, "", `{"k":1,"n":3}`, "", `{"j":1,"k":4,"n":6}`, `{"k":3,"n":1}`, "",
			}
			var txs []backends.Tx
			for n, filter := range filters {
				tx := s.tx(alpha, find("notes", filter, newID(), fmt.Sprintf(`{"n":%d}`, n)))
				tx.At = tx.At.Add(time.Duration(n) * time.Second)
				txs = append(txs, tx)
			}
			for n, o := range s.b.Write(s.ctx, txs) {
				s.ok("upsert", o.Err)
				if finds[n] != "" {
					s.data(fmt.Sprint("found by upsert ", n), o.Changes[0].Before, finds[n])
				} else {
					s.want(fmt.Sprint("operation of upsert ", n), o.Changes[0].Op, backends.Insert)
				}
			}
		},
	},
}
