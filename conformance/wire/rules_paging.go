package wire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

var pagingRules = []Rule{
	{
		ID:   "ws/list-order",
		Says: "a list is ordered by _updatedAt, the newest first, then by _id",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			for range 4 {
				q := batch() // one transaction, mostly one time
				for i := range 10 {
					q.Operations = append(
						q.Operations,
						upsert(
							c, []string{"b", "B", "a", "A", "_", "-", "0", "aa", "Z", "a_"}[i]+fmt.Sprint(len(p.seen)), `{}`,
						),
					)
				}
				p.do(q)
			}
			docs := p.list(c)
			r.want("documents", len(docs), 40)
			r.must(slices.IsSortedFunc(docs, newest), "the order is wrong: got %v", docs)
		},
	},
	{
		ID:   "ws/paging",
		Says: "limit, next and after page a list: together the pages are the list, for every page size",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			r.fill(p, c, 40)
			want := p.list(c)
			for _, limit := range []int{1, 7, 39, 40, 41} {
				docs, pages := p.pages(c, limit)
				r.want(fmt.Sprint("documents in pages of ", limit), docs, want)
				r.want(fmt.Sprint("pages of ", limit), pages, (40+limit-1)/limit)
			}
		},
	},
	{
		ID: "ws/paging-cut",
		Says: "the gateway may cut any list, and says so with next: no document is left out or told " +
			"twice",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			for i := range 30 { // 3 MB
				p.insert(c, fmt.Sprintf("d%02d", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 100_000)))
			}
			docs := p.list(c)
			r.must(
				len(docs) == 30 && len(byID(docs)) == 30, "documents: got %d, %d of them different, want 30", len(docs),
				len(byID(docs)),
			)
		},
	},
	{
		ID: "ws/paging-live",
		Says: "pages are separate reads: with the changes between them the collection is whole at " +
			"the first bookmark after the last",
		Check: func(r *trial) {
			c, writer, p := r.named("notes"), r.dial("changes", "none"), r.dial()
			r.fill(writer, c, 40)
			q := list(c)
			q.Limit = 7
			for i := 0; i == 0 || q.After != ""; i++ {
				q.After = p.do(q).Next
				writer.do(update(c, fmt.Sprintf("d%02d", i*5), `{"moved":true}`)) // to the front, away from later pages
				writer.delete(c, fmt.Sprintf("d%02d", i*5+1))
				writer.insert(c, fmt.Sprintf("new%d", i), `{}`)
			}
			p.bookmark()
			writer.insert(c, "last", `{}`)
			p.change(c, "last")
			p.bookmark()
			copied := map[string]string{}
			fold(copied, c, p.seen)
			r.exact("the copy after the last page", copied, writer.listed(c))
		},
	},
	{
		ID:   "ws/paging-gone",
		Says: "a page begins where the one before it ended, though that document has gone",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			r.fill(p, c, 9)
			want := p.list(c)
			q := list(c)
			q.Limit = 3
			m := p.do(q)
			p.delete(c, idOf(m.Docs[2]))
			q.After, q.Limit = m.Next, 0
			var rest []string
			for _, d := range p.do(q).Docs {
				rest = append(rest, string(d))
			}
			r.want("the rest", rest, want[3:])
		},
	},
	{
		ID:   "ws/paging-subscribe",
		Says: "a subscription that is cut goes on with list and after",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			for i := range 30 {
				p.insert(c, fmt.Sprintf("d%02d", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 100_000)))
			}
			m := p.do(subscribe(c, "", ""))
			docs := len(m.Docs)
			for m.Next != "" {
				q := list(c)
				q.After = m.Next
				m = p.do(q)
				docs += len(m.Docs)
			}
			r.want("documents", docs, 30)
		},
	},
}

// newest orders documents as lists do.
func newest(a, b string) int {
	if by := strings.Compare(stamp([]byte(b)).Updated, stamp([]byte(a)).Updated); by != 0 {
		return by
	}
	return strings.Compare(idOf([]byte(a)), idOf([]byte(b)))
}

// fill makes n documents d00, d01, …
func (r *trial) fill(p *peer, collection string, n int) {
	for i := range n {
		p.insert(collection, fmt.Sprintf("d%02d", i*7%n), fmt.Sprintf(`{"n":%d}`, i))
	}
}

// pages reads a collection in pages of at most limit documents.
func (p *peer) pages(collection string, limit int) (docs []string, pages int) {
	q := list(collection)
	for q.Limit = limit; ; {
		m := p.do(q)
		pages++
		p.r.must(
			len(m.Docs) <= limit && (len(m.Docs) > 0 || m.Next == ""), "a page of at most %d: got %d documents", limit,
			len(m.Docs),
		)
		for _, d := range m.Docs {
			docs = append(docs, string(d))
		}
		if q.After = m.Next; q.After == "" {
			return docs, pages
		}
	}
}

// limitRules are about the limits that welcome announces.
var limitRules = []Rule{
	{
		ID: "ws/limits-requests",
		Says: "a client that asks more than limits.requests at once is slowed down, never refused, " +
			"and gets every answer",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			p.insert(c, "a", fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 2000)))
			var asked []string
			for range 8 * p.Welcome.Limits.Requests { // not read from meanwhile: kernel buffers take as much
				asked = append(asked, p.send(doc(c, "a")))
			}
			for _, id := range asked {
				m := p.answer(id)
				r.must(m.Error == nil && len(m.Doc) > 2000, "request %s: got %+v", id, m.Error)
			}
		},
	},
	{
		ID:   "ws/limits-answers",
		Says: "a connection whose answers are not read is slowed down, and nobody else waits for it",
		Check: func(r *trial) {
			c, slow, other := r.named("notes"), r.dial("changes", "none"), r.dial("changes", "none")
			for i := range 4 {
				other.insert(c, fmt.Sprint("d", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 100_000)))
			}
			var asked []string
			for range min(50, slow.Welcome.Limits.Requests) { // 20 MB of answers
				asked = append(asked, slow.send(list(c)))
			}
			for i := range 20 {
				other.upsert(c, "other", fmt.Sprintf(`{"n":%d}`, i))
			}
			for _, id := range asked {
				r.must(len(slow.answer(id).Docs) >= 4, "answer %s is not whole", id)
			}
		},
	},
	{
		ID: "ws/limits-document",
		Says: "a document over limits.documentBytes is too_large, also as the result of an update, " +
			"and one at the limit is kept",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			limit := p.Welcome.Limits.DocumentBytes
			fits := fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", limit-len(`{"pad":""}`)))
			p.insert(c, "a", fits)
			p.refused(protocol.CodeTooLarge, insert(c, "b", strings.Replace(fits, "x", "xx", 1)))
			p.refused(protocol.CodeTooLarge, update(c, "a", `{"n":1}`))
			p.do(update(c, "a", `{"pad":""}`))
		},
	},
	{
		ID:   "ws/limits-operations",
		Says: "a batch of limits.operations is carried out, one of more is too_large",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			q := batch()
			for i := range p.Welcome.Limits.Operations {
				q.Operations = append(q.Operations, insert(c, fmt.Sprint("d", i), `{}`))
			}
			r.want("results", len(p.do(q).Results), len(q.Operations))
			more := batch(append(q.Operations, insert(c, "more", `{}`))...)
			p.refused(protocol.CodeTooLarge, more)
		},
	},
	{
		ID:   "ws/limits-depth",
		Says: "a document nests 64 deep, itself being 1, and no deeper",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			nested := func(depth int) string {
				return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
			}
			p.insert(c, "a", nested(64))
			p.refused(protocol.CodeInvalidDocument, insert(c, "b", nested(65)))
		},
	},
}
