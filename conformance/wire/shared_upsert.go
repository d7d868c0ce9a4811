package wire

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// created makes an upsert and tells whether it made its document.
func (v *visit) created(q protocol.Request) bool { return v.ok(q).Created }

var upsertRules = []shared{
	{"upsert-id", "an upsert by id makes the document, or updates the one that is there", func(v *visit) {
		v.want("created", v.created(upsert(v.c, "a", `{"n":1}`)), true)
		m := v.ok(upsert(v.c, "a", `{"m":2}`))
		v.want("created again", m.Created, false)
		v.want("docId", m.DocID, "a")
		v.data("read", v.get("a"), `{"m":2,"n":1}`)
	}},
	{
		"upsert-new-ids",
		"an upsert makes no document under an id outside the grammar or of the gateway's own form",
		func(v *visit) {
			v.refuse(protocol.CodeNotFound, upsert(v.c, "0123456789abcdef01234567", `{}`))
			v.refuse(protocol.CodeInvalidID, upsert(v.c, "a/b", `{}`))
			v.refuse(protocol.CodeInvalidID, find(v.c+"\n", `{"n":1}`, `{}`))
			v.want("documents", len(v.list(v.c)), 0)
		},
	},
	{
		"upsert-made",
		"an upsert by filter that finds nothing makes filter and data under a new id, and data wins",
		func(v *visit) {
			m := v.ok(find(v.c, `{"k":1,"v":1}`, `{"v":2,"w":3}`))
			v.must(m.Created && serverID.MatchString(m.DocID), "answer: got %+v", m)
			v.data("read", v.get(m.DocID), `{"k":1,"v":2,"w":3}`)
		},
	},
	{"upsert-found", "an upsert by filter updates the document it finds and makes none", func(v *visit) {
		v.insert("a", `{"k":1,"v":1}`)
		v.insert("b", `{"k":2,"v":1}`)
		m := v.ok(find(v.c, `{"k":2}`, `{"v":2}`))
		v.must(!m.Created && m.DocID == "b", "answer: got %+v", m)
		v.data("read", v.get("b"), `{"k":2,"v":2}`)
		v.want("documents", len(v.list(v.c)), 2)
	}},
	{"upsert-equality", "a filter is equality of canonical JSON: no value matches its likes", func(v *visit) {
		values := []string{
			`1`, `"1"`, `true`, `"true"`, `null`, `"null"`, `0`, `false`, `""`, `[]`, `{}`, `[1]`, `[1,2]`, `{"a":1}`,
			`{"a":1,"b":2}`, `1.5`, `"é"`, `"É"`, `"e\u0301"`, `"a'b"`, `"%"`, `"x "`, `"x"`,
		}
		for i, value := range values {
			v.want("created for "+value, v.created(find(v.c, `{"v":`+value+`}`, fmt.Sprintf(`{"i":%d}`, i))), true)
		}
		for i, value := range values {
			m := v.ok(find(v.c, `{"v":`+value+`}`, `{"again":true}`))
			v.want("created again for "+value, m.Created, false)
			v.must(
				strings.Contains(string(m.Doc), fmt.Sprintf(`"i":%d,`, i)), "found for %s: got %s want the one with i=%d",
				value, m.Doc, i,
			)
		}
		v.want("same number, written otherwise", v.created(find(v.c, `{"v":1.0}`, `{}`)), false)
	}},
	{"upsert-null", "null in a filter matches a stored null, not a missing field", func(v *visit) {
		v.insert("a", `{"k":1}`)
		v.want("created without a stored null", v.created(find(v.c, `{"v":null}`, `{}`)), true)
		v.want("created with one", v.created(find(v.c, `{"v":null}`, `{}`)), false)
	}},
	{"upsert-fields", "filter fields may have any name", func(v *visit) {
		for i, name := range []string{
			``, `a.b`, `$x`, `a'b`, `a\"b`, `__proto__`, `é`, `a b`, `a[0]`, `0`, `*`, `#`, `\\`, `a-b`,
		} {
			filter := fmt.Sprintf(`{"%s":%d}`, name, i)
			v.want("created for "+name, v.created(find(v.c, filter, `{}`)), true)
			v.want("created again for "+name, v.created(find(v.c, filter, `{}`)), false)
		}
	}},
	{"upsert-all-conditions", "a document matches a filter by all its fields, not by some", func(v *visit) {
		v.insert("a", `{"j":1,"k":1}`)
		v.insert("b", `{"j":2,"k":2}`)
		v.want("created", v.created(find(v.c, `{"j":1,"k":2}`, `{}`)), true)
		v.want("document", v.ok(find(v.c, `{"j":2,"k":2}`, `{}`)).DocID, "b")
	}},
	{"upsert-newest", "of several matches the newest is meant, then the smallest id", func(v *visit) {
		v.insert("old", `{"k":1}`)
		v.ok(batch(insert(v.c, "b", `{"k":1}`), insert(v.c, "a", `{"k":1}`)))
		first := idOf([]byte(v.list(v.c)[0])) // lists have the same order
		v.want("document", v.ok(find(v.c, `{"k":1}`, `{"k":2}`)).DocID, first)
	}},
	{
		"upsert-filter-id",
		"a filter may name the id, alone and beside other fields, and overwrites no document that it does " +
			"not match",
		func(v *visit) {
			v.want("new document", v.ok(find(v.c, `{"_id":"a","k":1}`, `{}`)).DocID, "a")
			v.data("read", v.get("a"), `{"k":1}`)
			v.want("created", v.created(find(v.c, `{"_id":"a"}`, `{"n":1}`)), false)
			v.refuse(protocol.CodeAlreadyExists, find(v.c, `{"_id":"a","k":2}`, `{"n":2}`))
			v.refuse(protocol.CodeNotFound, find(v.c, `{"_id":"0123456789abcdef01234567"}`, `{}`))
			v.data("read at the end", v.get("a"), `{"k":1,"n":1}`)
		},
	},
	{
		"upsert-operators",
		"a filter value that is an object with a $ name, or a field of times or revision, is invalid_filter",
		func(v *visit) {
			for _, filter := range []string{
				`{"a":{"$gt":1}}`, `{"a":1,"b":{"$ne":null}}`, `{"_createdAt":"x"}`, `{"_updatedAt":"x"}`, `{"_rev":"x"}`,
			} {
				v.refuse(protocol.CodeInvalidFilter, find(v.c, filter, `{}`))
			}
			v.want("documents", len(v.list(v.c)), 0)
		},
	},
	{"upsert-limit", "a filter has at most 64 members, and one more is invalid_filter", func(v *visit) {
		members := func(n int) string {
			text := `{"k0":0`
			for i := 1; i < n; i++ {
				text += fmt.Sprintf(`,"k%d":%d`, i, i)
			}
			return text + "}"
		}
		v.want("created", v.created(find(v.c, members(protocol.MaxConditions), `{}`)), true)
		v.want("created again", v.created(find(v.c, members(protocol.MaxConditions), `{}`)), false)
		v.refuse(protocol.CodeInvalidFilter, find(v.c, members(protocol.MaxConditions+1), `{}`))
		v.want("documents", len(v.list(v.c)), 1)
	}},
	{"upsert-paths", "with paths a filter reaches nested fields, and makes them", func(v *visit) {
		id := v.ok(paths(find(v.c, `{"a.b":1}`, `{"a.c":2}`))).DocID
		v.data("read", v.get(id), `{"a":{"b":1,"c":2}}`)
		v.want("document", v.ok(paths(find(v.c, `{"a.b":1}`, `{"n":1}`))).DocID, id)
		v.want("created without paths", v.created(find(v.c, `{"a.b":1}`, `{}`)), true)
	}},
	{"upsert-changed", "an upsert looks at documents as they are now, not as they were", func(v *visit) {
		v.insert("a", `{"k":1}`)
		v.update("a", `{"k":2}`)
		v.insert("b", `{"k":3}`)
		v.delete("b")
		v.want("created for the old value", v.created(find(v.c, `{"k":1}`, `{}`)), true)
		v.want("created for the deleted one", v.created(find(v.c, `{"k":3}`, `{}`)), true)
		v.want("document for the new value", v.ok(find(v.c, `{"k":2}`, `{}`)).DocID, "a")
	}},
	{"upsert-together", "upserts of many connections by one filter make one document", func(v *visit) {
		var asked []string
		peers := []*peer{
			v.dial("changes", "none"), v.dial("changes", "none"), v.dial("changes", "none"), v.dial("changes", "none"),
		}
		for _, p := range peers {
			asked = append(asked, p.send(find(v.c, `{"k":1}`, `{}`)))
		}
		made := 0
		for i, p := range peers {
			if m := p.answer(asked[i]); m.Error == nil && m.Created {
				made++
			}
		}
		v.want("documents made", made, 1)
		v.want("documents", len(v.list(v.c)), 1)
	}},
	{
		"upsert-replayed",
		"a retry of an upsert gets the same id, created as the first time, and replayed",
		func(v *visit) {
			q := under(find(v.c, `{"k":1}`, `{}`), "m-"+v.mark)
			first, again := v.ok(q), v.ok(q)
			v.must(
				first.Created && again.Created && again.DocID == first.DocID, "answers: got %+v and %+v", first, again,
			)
			v.want("replayed", []bool{first.Replayed, again.Replayed}, []bool{false, true})
		},
	},
	{
		"writes-plain-names",
		"without paths, an update's names with dots and dollars are just names",
		func(v *visit) {
			v.insert("a", `{"a":{"b":1}}`)
			v.data("answer", v.update("a", `{"a.b":2,"$set":{"x":1}}`), `{"$set":{"x":1},"a":{"b":1},"a.b":2}`)
		},
	},
}

var batchRules = []shared{
	{
		"batch-sees",
		"each operation of a batch sees the ones before it, and is answered as it would be alone",
		func(v *visit) {
			m := v.ok(
				batch(
					insert(v.c, "a", `{"n":1}`), update(v.c, "a", `{"m":2}`), find(v.c, `{"m":2}`, `{"l":3}`),
					remove(v.c, "a"), upsert(v.c, "a", `{"new":1}`),
				),
			)
			v.want("results", len(m.Results), 5)
			v.data("second answer", string(m.Results[1].Doc), `{"m":2,"n":1}`)
			v.must(m.Results[2].DocID == "a" && !m.Results[2].Created, "third answer: got %+v", m.Results[2])
			v.must(m.Results[3].DocID == "a" && m.Results[3].Collection == v.c, "fourth answer: got %+v", m.Results[3])
			v.want("created of the fifth", m.Results[4].Created, true)
			v.data("read", v.get("a"), `{"new":1}`)
		},
	},
	{
		"batch-atomic",
		"a batch with an operation that is refused changes nothing, and the message names the operation",
		func(v *visit) {
			d := v.insert("a", `{"n":1}`)
			m := v.Call(
				batch(update(v.c, "a", `{"n":2}`), insert(v.c, "b", `{}`), remove(v.c, "x"), insert(v.c, "y", `{}`)),
			)
			v.must(m.Error != nil && m.Error.Code == protocol.CodeNotFound, "error: got %+v want not_found", m.Error)
			v.must(
				strings.Contains(m.Error.Message, "operations[2]"), "message: got %q want operations[2] in it",
				m.Error.Message,
			)
			v.want("list", v.list(v.c), []string{d})
		},
	},
	{"batch-refused-untold", "of a batch that was refused nobody is told", func(v *visit) {
		p := v.dial("changes", "none")
		p.do(subscribe(v.c, "", ""))
		v.refuse(protocol.CodeNotFound, batch(insert(v.c, "a", `{}`), remove(v.c, "x")))
		v.insert("last", `{}`)
		p.change(v.c, "last")
		v.want("changes", len(p.changes(v.c, 0)), 1)
	}},
	{"batch-told-whole", "a follower gets all changes of a batch before the next bookmark", func(v *visit) {
		p := v.dial("changes", "none")
		p.do(subscribe(v.c, "", ""))
		p.bookmark()
		for n := range 10 {
			var operations []protocol.Request
			for i := range 10 {
				operations = append(operations, upsert(v.c, fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d}`, n)))
			}
			v.ok(batch(operations...))
		}
		copied := map[string]string{}
		for from := 0; stamp([]byte(copied["d0"])).N < 9; {
			from = len(p.seen)
			p.bookmark()
			fold(copied, v.c, p.seen[from:])
			v.oneState(copied)
			v.must(
				len(copied) == 0 || len(copied) == 10, "at a bookmark the copy has %d of 10 documents of a batch",
				len(copied),
			)
		}
	}},
	{
		"batch-one-mutation",
		"a batch has one mutation id: a retry has one effect and gets the same results",
		func(v *visit) {
			q := under(batch(insert(v.c, "", `{"n":1}`), find(v.c, `{"k":1}`, `{}`)), "m-"+v.mark)
			first, again := v.ok(q), v.ok(q)
			v.must(len(again.Results) == 2 && again.Replayed, "the retry: got %+v", again)
			for i := range first.Results {
				v.want("id", idOf(again.Results[i].Doc), idOf(first.Results[i].Doc))
			}
			v.want("documents", len(v.list(v.c)), 2)
		},
	},
	{"batch-own-mutations-refused", "an operation of a batch takes no mutationId of its own", func(v *visit) {
		v.refuse(protocol.CodeInvalidMessage, batch(under(insert(v.c, "a", `{}`), "m-"+v.mark)))
		v.refuse(
			protocol.CodeInvalidMessage, protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{}},
		)
	}},
	{"batch-collections", "a batch may write to several collections, all or nothing", func(v *visit) {
		other := v.named("other")
		v.ok(batch(insert(v.c, "a", `{}`), insert(other, "a", `{}`)))
		v.refuse(protocol.CodeNotFound, batch(remove(v.c, "a"), remove(other, "a"), remove(other, "a")))
		v.must(v.get("a") != "" && v.getFrom(other, "a") != "", "half of a refused batch was carried out")
	}},
}
