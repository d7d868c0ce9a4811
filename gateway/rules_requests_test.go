package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

func stepInsert(ref protocol.Ref, data string) conformance.Step {
	return conformance.Step{Kind: "insert", Ref: ref, Data: data}
}

// quietly lets require print a difference without ending the test: the rule does that.
type quietly struct {
	t interface{ Logf(string, ...any) }
}

func (q quietly) Errorf(format string, args ...any) { q.t.Logf(format, args...) }
func (q quietly) FailNow()                          {}

var requestRules = []rule{
	{
		id: "requests/in-order", says: "pipelined requests take effect in the order sent, and each is answered once",
		check: func(r *trial) {
			p := r.dial("changes", "none")
			var ids []string
			send := func(q protocol.Request) {
				q.Collection = "c"
				id, err := p.Send(r.ctx, q)
				r.must(err == nil, "%v", err)
				ids = append(ids, id)
			}
			for i := range 30 {
				id := fmt.Sprint("d", i)
				send(protocol.Request{Type: protocol.TypeInsert, DocID: id, Data: []byte(`{"n":1}`)})
				send(protocol.Request{Type: protocol.TypeUpdate, DocID: id, Data: []byte(`{"n":2}`)})
				send(protocol.Request{Type: protocol.TypeDoc, DocID: id})
				send(protocol.Request{Type: protocol.TypeDelete, DocID: id})
				send(protocol.Request{Type: protocol.TypeDoc, DocID: id})
			}
			for i, id := range ids {
				m := p.next()
				for m.RequestID == "" { // bookmarks come between
					m = p.next()
				}
				r.must(m.RequestID == id, "answer %d is of request %s, not %s", i, m.RequestID, id)
				r.must(m.Error == nil, "request %s: %+v", id, m.Error)
				switch i % 5 {
				case 2:
					r.must(strings.Contains(string(m.Doc), `"n":2`), "the read misses the write before it: %s", m.Doc)
				case 4:
					r.must(string(m.Doc) == "null", "the read sees a deleted document: %s", m.Doc)
				}
			}
		},
	},
	{
		id: "writes/settled", says: "a write is settled once, after its answer, its changes and their bookmark",
		change: func(c *gateway.Config) { c.Heartbeat = 30 * time.Millisecond },
		check: func(r *trial) {
			p := r.dial()
			p.until(protocol.TypeBookmark)
			release := r.backend.holdFeed()
			m := p.insert("c", "d1", `{}`)
			p.until(protocol.TypeBookmark)
			p.until(protocol.TypeBookmark)
			r.must(!strings.Contains(p.story(), "settled"), "it was settled before its change: %s", p.story())
			release()
			settled := p.until(protocol.TypeSettled)
			r.must(settled.RequestID == m.RequestID, "another request was settled")
			story := p.story()
			change, bookmark := strings.LastIndex(story, "change d1"), strings.LastIndex(story, "bookmark")
			r.must(change >= 0 && bookmark > change, "the order is %s", story)
			p.quiet()
			r.must(strings.Count(p.story(), "settled") == 1, "it was settled more than once: %s", p.story())
		},
	},
	{
		id: "writes/batch", says: "a batch is all or nothing, each operation sees the ones before it, and a refusal names its index",
		check: func(r *trial) {
			p := r.dial()
			m := p.do(protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
				{Type: protocol.TypeInsert, Collection: "c", DocID: "d1", Data: []byte(`{"a":1}`)},
				{Type: protocol.TypeUpdate, Collection: "c", DocID: "d1", Data: []byte(`{"b":2}`)},
				{Type: protocol.TypeUpsert, Collection: "c", Filter: []byte(`{"a":1}`), Data: []byte(`{"c":3}`)},
			}})
			r.must(len(m.Results) == 3 && m.Results[2].DocID == "d1" && !m.Results[2].Created, "the results are %+v", m.Results)
			r.must(strings.Contains(string(m.Results[2].Doc), `"a":1,"b":2,"c":3`), "an operation did not see those before it: %s", m.Results[2].Doc)
			bad, err := p.Call(r.ctx, protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
				{Type: protocol.TypeInsert, Collection: "c", DocID: "d2", Data: []byte(`{}`)},
				{Type: protocol.TypeDelete, Collection: "c", DocID: "missing"},
			}})
			r.must(err == nil && bad.Error != nil && bad.Error.Code == protocol.CodeNotFound && strings.Contains(bad.Error.Message, "operations[1]"), "the refusal is %+v", bad.Error)
			r.must(len(p.list("c").Docs) == 1, "half a batch was kept")
		},
	},
	{
		id: "writes/replayed", says: "a retry under the same mutationId has one effect, the same ids, and is settled too",
		check: func(r *trial) {
			q := protocol.Request{Type: protocol.TypeInsert, Collection: "c", Data: []byte(`{"n":1}`), MutationID: "m1"}
			p := r.dial()
			first := p.do(q)
			p.until(protocol.TypeSettled)
			p.Cut()
			p = r.dial()
			second := p.do(q)
			r.must(second.Replayed && !first.Replayed, "the retry is not marked")
			r.must(idOf(first.Doc) == idOf(second.Doc), "the retry made %s beside %s", second.Doc, first.Doc)
			r.must(p.until(protocol.TypeSettled).RequestID == second.RequestID, "the retry was not settled")
			r.must(len(p.list("c").Docs) == 1, "the retry had an effect of its own")
			q.Data = []byte(`{"n":2}`)
			r.must(p.refused(q) == protocol.CodeMutationMismatch, "another request went through under the same id")
		},
	},
	{
		id: "errors/answered", says: "a bad request is answered with its code, and the connection goes on",
		check: func(r *trial) {
			p := r.dial()
			p.insert("c", "d1", `{}`)
			for _, c := range []struct {
				q    protocol.Request
				want protocol.Code
			}{
				{protocol.Request{Type: protocol.TypeInsert, Collection: "c", DocID: "d1", Data: []byte(`{}`)}, protocol.CodeAlreadyExists},
				{protocol.Request{Type: protocol.TypeInsert, Collection: "c", DocID: "../x", Data: []byte(`{}`)}, protocol.CodeInvalidID},
				{protocol.Request{Type: protocol.TypeInsert, Collection: "c", DocID: strings.Repeat("a", 24), Data: []byte(`{}`)}, protocol.CodeInvalidID},
				{protocol.Request{Type: protocol.TypeInsert, Collection: "a\nb", Data: []byte(`{}`)}, protocol.CodeInvalidID},
				{protocol.Request{Type: protocol.TypeInsert, Collection: "c", DocID: "d2", Data: []byte(`{"_id":"d3"}`)}, protocol.CodeInvalidDocument},
				{protocol.Request{Type: protocol.TypeUpdate, Collection: "c", DocID: "none", Data: []byte(`{}`)}, protocol.CodeNotFound},
				{protocol.Request{Type: protocol.TypeUpdate, Collection: "c", DocID: "d1", Data: []byte(`{}`), IfRev: "stale"}, protocol.CodeConflict},
				{protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "d1", IfRev: "stale"}, protocol.CodeConflict},
				{protocol.Request{Type: protocol.TypeUpsert, Collection: "c", Filter: []byte(`{"a":{"$gt":1}}`), Data: []byte(`{}`)}, protocol.CodeInvalidFilter},
				{protocol.Request{Type: protocol.TypeUpsert, Collection: "c", DocID: strings.Repeat("a", 24), Data: []byte(`{}`)}, protocol.CodeNotFound},
				{protocol.Request{Type: protocol.TypeList, Collection: "c", After: "garbage"}, protocol.CodeInvalidCursor},
				{protocol.Request{Type: "second:data:nothing"}, protocol.CodeUnknownType},
			} {
				got := p.refused(c.q)
				r.must(got == c.want, "%s %s answered %s, not %s", c.q.Type, c.q.DocID, got, c.want)
			}
			r.must(len(p.list("c").Docs) == 1, "a refused request had an effect")
		},
	},
	{
		id: "errors/frames", says: "a frame that cannot be answered gets second:data:error, and the connection goes on",
		check: func(r *trial) {
			p := r.dial()
			for frame, want := range map[string]protocol.Code{
				"{": protocol.CodeInvalidJSON, "[]": protocol.CodeInvalidMessage, `{"type":"second:data:ping"}`: protocol.CodeInvalidMessage,
				`{"type":"second:data:ping","requestId":"a","requestId":"a"}`: protocol.CodeInvalidDocument,
			} {
				r.must(p.SendText(r.ctx, []byte(frame)) == nil, "the connection has ended")
				m := p.until(protocol.TypeError)
				r.must(m.Error != nil && m.Error.Code == want, "%s was answered %+v", frame, m.Error)
			}
			r.must(p.SendText(r.ctx, []byte(`{"type":"second:data:insert","requestId":"mine","collection":"c","data":{"a":"\ud800"}}`)) == nil, "the connection has ended")
			m := p.next()
			r.must(m.RequestID == "mine" && m.Error != nil && m.Error.Code == protocol.CodeInvalidDocument, "a broken document was not answered in its own answer: %+v", m)
		},
	},
	{
		id: "list/pages", says: "a long list is cut, and its pages together are the collection",
		check: func(r *trial) {
			p := r.dial()
			for i := range 3 {
				var operations []protocol.Request
				for n := range 10 {
					operations = append(operations, protocol.Request{Type: protocol.TypeInsert, Collection: "c", DocID: fmt.Sprintf("d%d-%d", i, n), Data: fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 60_000))})
				}
				p.do(protocol.Request{Type: protocol.TypeBatch, Operations: operations})
			}
			var ids []string
			q := protocol.Request{Type: protocol.TypeList, Collection: "c"}
			pages := 0
			for more := true; more; pages++ {
				m := p.do(q)
				size := 0
				for _, d := range m.Docs {
					ids = append(ids, idOf(d))
					size += len(d)
				}
				r.must(size < 700_000, "a page has %d bytes", size)
				q.After, more = m.Next, m.Next != ""
			}
			slices.Sort(ids)
			r.must(pages > 2 && len(slices.Compact(ids)) == 30, "%d pages held %d documents", pages, len(ids))
		},
	},
}
