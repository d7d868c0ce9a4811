package wire

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/secondgate/secondgate/conformance/vectors"
	"github.com/secondgate/secondgate/protocol"
)

var (
	moment   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	serverID = regexp.MustCompile(`^[0-9a-f]{24}$`)
)

var documentRules = []shared{
	{"documents-insert", "an inserted document reads back as the write's answer showed it", func(v *visit) {
		d := v.insert("a", `{"text":"hello","n":1}`)
		v.data("answer", d, `{"n":1,"text":"hello"}`)
		v.want("read", v.get("a"), d)
		v.want("list", v.list(v.c), []string{d})
	}},
	{
		"documents-shape",
		"a document is its _id, its data, and then times in RFC 3339, UTC, milliseconds, and a revision",
		func(v *visit) {
			d := v.split(v.insert("a", `{}`))
			v.want("_id", d.id, `"a"`)
			v.must(
				moment.MatchString(d.created) && d.created == d.updated, "times: got %s and %s", d.created, d.updated,
			)
			now, err := time.Parse(time.RFC3339, d.created)
			v.must(err == nil && now.Year() > 2000, "_createdAt: got %s", d.created)
		},
	},
	{
		"documents-missing",
		"a document that does not exist, or no longer, or in another collection, is none",
		func(v *visit) {
			v.insert("a", `{}`)
			v.want("another id", v.get("b"), "")
			v.want("another collection", v.getFrom(v.named("other"), "a"), "")
			v.delete("a")
			v.want("after its delete", v.get("a"), "")
		},
	},
	{
		"documents-time-moves",
		"every write moves _updatedAt on by at least a millisecond and leaves _createdAt",
		func(v *visit) {
			before := v.split(v.insert("a", `{}`))
			for range 5 {
				after := v.split(v.update("a", `{}`))
				v.must(
					after.updated > before.updated && after.created == before.created, "times: got %s, %s after %s, %s",
					after.created, after.updated, before.created, before.updated,
				)
				v.must(after.rev != before.rev, "_rev stays %s", after.rev)
				before = after
			}
		},
	},
	{
		"documents-new-id",
		"an insert without docId gets an id of 24 lower-case hex characters, each its own",
		func(v *visit) {
			made := map[string]bool{}
			for range 20 {
				id := idOf([]byte(v.insert("", `{}`)))
				v.must(serverID.MatchString(id) && !made[id], "id: got %q", id)
				made[id] = true
			}
			v.want("documents", len(v.list(v.c)), 20)
		},
	},
	{"documents-ids", "every id of the grammar is kept, and told from its likes", func(v *visit) {
		ids := []string{
			"a", "A", "-", "_", "0", "00", "a_b", "a-b", "aXb", "stream", "socket",
			strings.Repeat("x", protocol.MaxName),
		}
		for _, id := range ids {
			v.insert(id, `{"id":"`+id+`"}`)
		}
		for _, id := range ids {
			v.data("document "+id, v.get(id), `{"id":"`+id+`"}`)
		}
		v.want("documents", len(v.list(v.c)), len(ids))
	}},
	{
		"documents-strange-ids",
		"an id outside the grammar is no way to another document, and none is made under it",
		func(v *visit) {
			v.insert("a", `{}`)
			for _, id := range []string{
				"%", "_%", "a%", "A'--", "../" + v.c + "/a", "é", `"`, "a/b", "..", ".", " a",
			} {
				v.want("document "+id, v.get(id), "")
				v.refuse(protocol.CodeInvalidID, insert(v.c, id, `{}`))
				v.refuse(protocol.CodeNotFound, update(v.c, id, `{}`))
				v.refuse(protocol.CodeNotFound, remove(v.c, id))
			}
			v.refuse(protocol.CodeInvalidID, insert(v.c, "0123456789abcdef01234567", `{}`))
			v.want("documents", len(v.list(v.c)), 1)
		},
	},
	{
		"documents-collections",
		"a collection may have any name without control characters: spaces, quotes, dots, other scripts",
		func(v *visit) {
			for _, name := range []string{"a b", "a.b", "$x", `q"'`, "日本語", "🎈", "a/b", `a\b`, "%", "_", "?&#"} {
				c := v.named(name)
				d := string(v.ok(insert(c, "a", `{}`)).Doc)
				v.want("read in "+name, v.getFrom(c, "a"), d)
				v.want("list of "+name, v.list(c), []string{d})
			}
			v.refuse(protocol.CodeInvalidID, insert(v.c+"\n", "a", `{}`))
			v.refuse(protocol.CodeInvalidID, insert(strings.Repeat("x", protocol.MaxName+1), "a", `{}`))
		},
	},
	{"documents-large", "a large document is kept as it is", func(v *visit) {
		d := v.insert("a", `{"text":"`+strings.Repeat("0123456789abcdef", 50_000)+`"}`)
		v.want("read", v.get("a"), d)
		v.want("list", v.list(v.c), []string{d})
	}},
	{
		"documents-revision",
		"the revision is the same on every way a document is read, on every transport",
		func(v *visit) {
			d := v.insert("a", `{"n":1}`)
			for _, transport := range []string{"ws", "rest"} {
				v.want("read over "+transport, string(v.door(transport, v.scope).Call(doc(v.c, "a")).Doc), d)
			}
			p := v.dial("changes", "none")
			v.want("subscription", string(p.do(subscribe(v.c, "a", "")).Docs[0]), d)
			p.bookmark() // up to here what the answer held may be repeated
			d = v.update("a", `{"n":2}`)
			v.want("change", string(p.change(v.c, "a").Doc), d)
		},
	},
}

// refusals of vectors that are no objects: in a request data must be one.
func (v *visit) refusal(row vectors.Vector) protocol.Code {
	if v := strings.TrimSpace(row.Input); row.Code == protocol.CodeInvalidDocument && v != "" && v[0] != '{' {
		return protocol.CodeInvalidMessage
	}
	return row.Code
}

var jsonRules = []shared{
	{
		"json-kept",
		"every kind of JSON that is kept comes back in its canonical form, byte for byte: answered, read, " +
			"listed and told",
		func(v *visit) {
			p := v.dial("changes", "none")
			p.do(subscribe(v.c, "", ""))
			want := map[string]string{}
			for i, row := range vectors.All() {
				if row.Canonical == "" {
					continue
				}
				id := fmt.Sprint("v", i)
				want[id] = v.insert(id, row.Input)
				v.data(row.Name+", answered", want[id], row.Canonical)
				v.want(row.Name+", read", v.get(id), want[id])
				v.want(row.Name+", told", string(p.change(v.c, id).Doc), want[id])
			}
			v.exact("the list", byID(v.list(v.c)), want)
		},
	},
	{"json-merge", "every kind of JSON survives an update of another field", func(v *visit) {
		for i, row := range vectors.All() {
			if row.Canonical == "" {
				continue
			}
			id := fmt.Sprint("v", i)
			v.insert(id, row.Input)
			want := string(protocol.Merge([]byte(row.Canonical), []byte(`{"zz":1}`)))
			v.data(row.Name+", answered", v.update(id, `{"zz":1}`), want)
			v.data(row.Name+", read", v.get(id), want)
		}
	}},
	{
		"json-refused",
		"every kind of JSON that is not kept is refused with its code and makes no document",
		func(v *visit) {
			for i, row := range vectors.All() {
				if _, socket := v.Door.(socketDoor); socket && !utf8.ValidString(row.Input) {
					continue // such a frame ends the connection: ws/frames-closed
				}
				if row.Canonical == "" {
					v.refuse(v.refusal(row), insert(v.c, fmt.Sprint("v", i), row.Input))
				}
			}
			v.want("documents", len(v.list(v.c)), 0)
		},
	},
	{
		"json-reserved",
		"at the top of written data times and _rev are dropped, and _id is the document's or is dropped " +
			"where there is none yet",
		func(v *visit) {
			v.data(
				"insert", v.insert("a", `{"_createdAt":1,"_updatedAt":2,"_rev":3,"_id":"a","b":{"_id":4,"_rev":5}}`),
				`{"b":{"_id":4,"_rev":5}}`,
			)
			v.data("copied row", v.insert("", `{"_id":"a","_rev":"x","n":1}`), `{"n":1}`)
			v.refuse(protocol.CodeInvalidDocument, insert(v.c, "b", `{"_id":"c"}`))
			v.refuse(protocol.CodeInvalidDocument, update(v.c, "a", `{"_id":"c"}`))
			v.data("update", v.update("a", `{"_id":"a","_rev":"x","n":1}`), `{"b":{"_id":4,"_rev":5},"n":1}`)
		},
	},
}

var scopeRules = []shared{
	{"scopes-apart", "a document is read, listed, updated and deleted in its own scope only", func(v *visit) {
		want := v.insert("a", `{"n":1}`)
		for _, s := range v.others() {
			other := v.in(s)
			v.want("read in "+s.String(), other.get("a"), "")
			v.want("list in "+s.String(), len(other.list(v.c)), 0)
			other.refuse(protocol.CodeNotFound, update(v.c, "a", `{"n":2}`))
			other.refuse(protocol.CodeNotFound, remove(v.c, "a"))
			other.insert("a", `{"n":3}`)
			other.delete("a")
		}
		v.want("read", v.get("a"), want)
	}},
	{"scopes-mutations", "a mutation id is remembered for its own scope only", func(v *visit) {
		v.ok(under(insert(v.c, "a", `{}`), "m-"+v.mark))
		draft := v.in(v.draft())
		draft.ok(under(insert(v.c, "b", `{"n":1}`), "m-"+v.mark))
		v.data("read in the draft", draft.get("b"), `{"n":1}`)
	}},
}
