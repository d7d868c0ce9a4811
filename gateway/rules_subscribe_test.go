package gateway_test

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

func subscribe(collection, id, cursor string) protocol.Request {
	return protocol.Request{Type: protocol.TypeSubscribe, Collection: collection, DocID: id, Cursor: cursor}
}

var subscribeRules = []rule{
	{
		id: "subscribe/only", says: "with changes=none only what is subscribed comes",
		check: func(r *trial) {
			writer, p := r.dial(), r.dial("changes", "none")
			writer.insert("c", "d1", `{"n":1}`)
			m := p.do(subscribe("c", "", ""))
			r.must(!m.Resumed && len(m.Docs) == 1, "the answer is %+v", m)
			m = p.do(subscribe("other", "x1", ""))
			r.must(len(m.Docs) == 0, "a document that does not exist was answered: %+v", m)
			for i := range 5 {
				writer.insert("nobody", fmt.Sprint("n", i), `{}`)
				writer.insert("other", fmt.Sprint("x", i), `{}`)
				writer.insert("c", fmt.Sprint("e", i), `{}`)
			}
			for strings.Count(p.story(), "change e") < 5 {
				p.until(protocol.TypeChange)
			}
			p.until(protocol.TypeBookmark)
			for _, m := range p.seen {
				follows := m.Collection == "c" || m.Collection == "other" && m.DocID == "x1"
				r.must(m.Type != protocol.TypeChange || follows, "it was sent %s/%s", m.Collection, m.DocID)
			}
			r.must(strings.Count(p.story(), "change x1") == 1, "the followed document's change is missing: %s", p.story())
		},
	},
	{
		id: "subscribe/resumes", says: "subscribe with a cursor answers resumed and brings what was missed",
		check: func(r *trial) {
			writer, p := r.dial(), r.dial("changes", "none")
			writer.insert("c", "d1", `{"n":1}`)
			p.do(subscribe("c", "", ""))
			cursor := p.until(protocol.TypeBookmark).Cursor
			p.Cut()
			writer.insert("c", "d2", `{}`)
			writer.insert("other", "x", `{}`)
			writer.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "d1"})
			p = r.dial("changes", "none")
			m := p.do(subscribe("c", "", cursor))
			r.must(m.Resumed && len(m.Docs) == 0, "the answer is %+v", m)
			p.until(protocol.TypeBookmark)
			story := p.story()
			r.must(strings.Contains(story, "change d2") && strings.Contains(story, "change d1") && !strings.Contains(story, "change x"), "what was missed came as %s", story)
			m = p.do(subscribe("other", "", "garbage"))
			r.must(!m.Resumed && len(m.Docs) == 1, "a bad cursor was answered %+v", m)
		},
	},
	{
		id: "subscribe/settles", says: "a write is settled only where its document is followed",
		check: func(r *trial) {
			p := r.dial("changes", "none")
			p.insert("c", "d1", `{}`)
			p.do(subscribe("c", "d2", ""))
			m := p.insert("c", "d2", `{}`)
			r.must(p.until(protocol.TypeSettled).RequestID == m.RequestID, "the wrong write was settled")
			p.do(protocol.Request{Type: protocol.TypeUnsubscribe, Collection: "c", DocID: "d2"})
			p.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "d2"})
			p.list("c")
			p.until(protocol.TypeBookmark)
			r.must(strings.Count(p.story(), "settled") == 1, "a write that nobody follows was settled: %s", p.story())
		},
	},
	{
		id: "subscribe/not-with-all", says: "a connection that follows the scope refuses subscribe and unsubscribe",
		check: func(r *trial) {
			p := r.dial()
			r.must(p.refused(subscribe("c", "", "")) == protocol.CodeInvalidMessage, "subscribe was refused with another code")
			r.must(p.refused(protocol.Request{Type: protocol.TypeUnsubscribe, Collection: "c"}) == protocol.CodeInvalidMessage, "unsubscribe was refused with another code")
		},
	},
	{
		id: "subscribe/bounded", says: "a connection that subscribes to too much is refused, and goes on",
		check: func(r *trial) {
			p := r.dial("changes", "none")
			for i := range 10_000 {
				_, err := p.Send(r.ctx, subscribe("c", fmt.Sprint("d", i), ""))
				r.must(err == nil, "%v", err)
				if i%32 == 31 {
					p.do(protocol.Request{Type: protocol.TypePing})
				}
			}
			r.must(p.refused(subscribe("c", "one-more", "")) == protocol.CodeTooLarge, "it was refused with another code")
			p.do(protocol.Request{Type: protocol.TypeUnsubscribe, Collection: "c", DocID: "d7"})
			p.do(subscribe("c", "one-more", ""))
		},
	},
}
