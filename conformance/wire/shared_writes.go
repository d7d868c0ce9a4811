package wire

import (
	"fmt"
	"slices"

	"github.com/secondgate/secondgate/protocol"
)

var writeRules = []shared{
	{"writes-insert-taken", "an insert under a taken id is already_exists and changes nothing", func(v *visit) {
		d := v.insert("a", `{"n":1}`)
		v.refuse(protocol.CodeAlreadyExists, insert(v.c, "a", `{"n":2}`))
		v.want("read", v.get("a"), d)
	}},
	{
		"writes-update",
		"an update replaces the fields it names, whole, and keeps the others; null is stored",
		func(v *visit) {
			v.insert("a", `{"keep":1,"deep":{"x":1,"y":2},"n":1}`)
			d := v.update("a", `{"deep":{"x":3},"n":null,"new":true}`)
			v.data("answer", d, `{"deep":{"x":3},"keep":1,"n":null,"new":true}`)
			v.want("read", v.get("a"), d)
		},
	},
	{
		"writes-missing",
		"update and delete of a document that is not there are not_found and make none",
		func(v *visit) {
			for range 2 { // the second time after there was one
				v.refuse(protocol.CodeNotFound, update(v.c, "a", `{}`))
				v.refuse(protocol.CodeNotFound, remove(v.c, "a"))
				v.want("read", v.get("a"), "")
				v.insert("a", `{}`)
				v.delete("a")
			}
		},
	},
	{"writes-delete", "a deleted document is gone from every read", func(v *visit) {
		v.insert("a", `{}`)
		b := v.insert("b", `{}`)
		v.delete("a")
		v.want("read", v.get("a"), "")
		v.want("list", v.list(v.c), []string{b})
	}},
	{
		"writes-reinsert",
		"an id may be used again after its delete, for a document that is new in everything",
		func(v *visit) {
			old := v.split(v.insert("a", `{"old":1}`))
			v.update("a", `{"old":2}`)
			v.delete("a")
			d := v.insert("a", `{"new":1}`)
			v.data("answer", d, `{"new":1}`)
			v.want("_updatedAt is _createdAt", v.split(d).updated, v.split(d).created)
			v.must(v.split(d).created >= old.created, "_createdAt: got %s before %s", v.split(d).created, old.created)
		},
	},
	{"writes-empty-update", "an empty update is a write: the document is newer", func(v *visit) {
		before := v.split(v.insert("a", `{"n":1}`))
		after := v.split(v.update("a", `{}`))
		v.want("data", after.data, before.data)
		v.must(after.updated > before.updated, "_updatedAt: got %s after %s", after.updated, before.updated)
	}},
	{"writes-names", "in an insert names with dots and dollars are just names", func(v *visit) {
		v.data(
			"read", v.insert("a", `{"a.b":2,"$set":{"x":1},"":3,"__proto__":4}`),
			`{"":3,"$set":{"x":1},"__proto__":4,"a.b":2}`,
		)
	}},
	{
		"writes-paths",
		"where names with dots are paths, they lead to nested fields, and a value in the way refuses them",
		func(v *visit) {
			v.insert("a", `{"a":{"b":1,"c":[1,2]},"s":1}`)
			d := string(v.ok(paths(update(v.c, "a", `{"a.b":2,"a.c.1":3,"x.y":4}`))).Doc)
			v.data("answer", d, `{"a":{"b":2,"c":[1,3]},"s":1,"x":{"y":4}}`)
			v.refuse(protocol.CodeInvalidDocument, paths(update(v.c, "a", `{"s.t":1}`)))
			v.refuse(protocol.CodeInvalidDocument, paths(update(v.c, "a", `{"a":1,"a.b":2}`)))
			v.want("read", v.get("a"), d)
		},
	},
	{"writes-if-rev", "with a revision a write goes through on that revision only", func(v *visit) {
		first := v.insert("a", `{"n":1}`)
		second := string(v.ok(ifRev(update(v.c, "a", `{"n":2}`), v.split(first).rev)).Doc)
		v.refuse(protocol.CodeConflict, ifRev(update(v.c, "a", `{"n":3}`), v.split(first).rev))
		v.refuse(protocol.CodeConflict, ifRev(remove(v.c, "a"), v.split(first).rev))
		v.want("read", v.get("a"), second)
		v.ok(ifRev(remove(v.c, "a"), v.split(second).rev))
		v.want("read after the delete", v.get("a"), "")
	}},
	{"writes-refused-twice", "the same bad request fails in the same way again", func(v *visit) {
		for range 3 {
			v.refuse(protocol.CodeNotFound, update(v.c, "a", `{}`))
			v.refuse(protocol.CodeInvalidID, insert(v.c, "a/b", `{}`))
			v.refuse(protocol.CodeInvalidDocument, insert(v.c, "a", `{"a":"\u0000"}`))
		}
	}},
}

var mutationRules = []shared{
	{
		"mutation-once",
		"a write that is asked for again under its mutation id has one effect and gets the same id",
		func(v *visit) {
			q := under(insert(v.c, "", `{"n":1}`), "m-"+v.mark)
			first := v.ok(q)
			v.want("replayed", first.Replayed, false)
			_, marked := v.Door.(socketDoor)
			for range 3 {
				again := v.ok(q)
				v.want("answer", string(again.Doc), string(first.Doc))
				v.want("replayed", again.Replayed, marked)
			}
			v.want("documents", len(v.list(v.c)), 1)
		},
	},
	{
		"mutation-now",
		"a retry shows the document as it is now, or none if it is gone, and does not make it again",
		func(v *visit) {
			q := under(insert(v.c, "a", `{"n":1}`), "m-"+v.mark)
			v.ok(q)
			now := v.update("a", `{"n":2}`)
			v.want("retry after an update", string(v.ok(q).Doc), now)
			v.delete("a")
			v.want("retry after a delete", string(v.ok(q).Doc), "null")
			v.want("read", v.get("a"), "")
		},
	},
	{
		"mutation-mismatch",
		"another request under a used mutation id is mutation_mismatch and has no effect",
		func(v *visit) {
			v.ok(under(insert(v.c, "a", `{}`), "m-"+v.mark))
			v.refuse(protocol.CodeMutationMismatch, under(insert(v.c, "b", `{}`), "m-"+v.mark))
			v.want("read", v.get("b"), "")
		},
	},
	{
		"mutation-refused",
		"a request that was refused is not remembered: it may succeed later, or be another",
		func(v *visit) {
			v.refuse(protocol.CodeNotFound, under(update(v.c, "a", `{"n":1}`), "m-"+v.mark))
			v.insert("a", `{}`)
			v.data("read", string(v.ok(under(update(v.c, "a", `{"n":2}`), "m-"+v.mark)).Doc), `{"n":2}`)
		},
	},
	{
		"mutation-every-transport",
		"a mutation id is one memory for all transports and connections",
		func(v *visit) {
			q := under(insert(v.c, "", `{"n":1}`), "m-"+v.mark)
			first := v.ok(q)
			for _, transport := range []string{"ws", "rest"} {
				m := v.door(transport, v.scope).Call(q)
				v.must(m.Error == nil, "a retry over %s was refused: %+v", transport, m.Error)
				v.want("answer over "+transport, string(m.Doc), string(first.Doc))
			}
			v.want("documents", len(v.list(v.c)), 1)
		},
	},
	{"mutation-delete", "a delete that is asked for again succeeds again", func(v *visit) {
		v.insert("a", `{}`)
		q := under(remove(v.c, "a"), "m-"+v.mark)
		v.ok(q)
		v.insert("a", `{"new":1}`)
		v.ok(q)
		v.data("what was made since", v.get("a"), `{"new":1}`)
	}},
}

var listRules = []shared{
	{"list-empty", "a collection that does not exist is empty", func(v *visit) {
		m := v.ok(list(v.c))
		v.must(m.Docs != nil && len(m.Docs) == 0 && m.Next == "", "list: got %+v want docs: []", m)
	}},
	{
		"list-updated",
		"the newest come first: an update moves a document to the head of its list",
		func(v *visit) {
			for i := range 5 {
				v.insert(fmt.Sprint("d", i), `{}`)
			}
			v.update("d0", `{"n":1}`)
			docs := v.list(v.c)
			v.want("first", idOf([]byte(docs[0])), "d0")
			v.must(slices.IsSortedFunc(docs, newest), "the order is wrong: got %v", docs)
		},
	},
	{"list-pages", "the pages of a list at rest are the list, for every page size", func(v *visit) {
		for i := range 12 {
			v.insert(fmt.Sprint("d", i), `{}`)
		}
		want := v.list(v.c)
		for _, limit := range []int{1, 5, 12, 13} {
			docs, q := []string{}, list(v.c)
			for q.Limit = limit; ; {
				m := v.ok(q)
				v.must(len(m.Docs) <= limit, "a page of at most %d: got %d documents", limit, len(m.Docs))
				for _, d := range m.Docs {
					docs = append(docs, string(d))
				}
				if q.After = m.Next; q.After == "" {
					break
				}
			}
			v.want(fmt.Sprint("pages of ", limit), docs, want)
		}
	}},
	{"list-position", "a page position that is none is invalid_cursor", func(v *visit) {
		v.insert("a", `{}`)
		for _, after := range []string{"x", "!", "AAAA", "null"} {
			q := list(v.c)
			q.After = after
			v.refuse(protocol.CodeInvalidCursor, q)
		}
	}},
	{"list-many", "a list of hundreds is whole, and each document is in it once", func(v *visit) {
		p := v.dial("changes", "none")
		for n := range 5 {
			q := batch()
			for i := range 200 {
				q.Operations = append(
					q.Operations, insert(v.c, fmt.Sprintf("d%d-%d", n, i), fmt.Sprintf(`{"pad":%q}`, pad)),
				)
			}
			p.do(q)
		}
		docs := v.list(v.c)
		v.must(
			len(docs) == 1000 && len(byID(docs)) == 1000, "documents: got %d, %d of them different, want 1000",
			len(docs), len(byID(docs)),
		)
	}},
}
