package gateway_test

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// sseResetRules are about streams whose copies have become void.
var sseResetRules = []rule{
	{
		id: "stream/reset-replays", says: "a cursor that cannot be used is a reset, then every document as an insert and an update, a usable id after the last, then live",
		check: func(r *trial) {
			c, p := rest{r, r.url}, r.dial()
			for i := range 120 { // of several pages
				p.insert([]string{"c", "b"}[i%2], fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 2000)+`"}`)
			}
			p.Cut()
			for _, id := range []string{"garbage", "reset", strings.Repeat("A", 3000), protocol.EncodeCursor(here, []byte("nonsense")), protocol.EncodeCursor(protocol.Scope{Workspace: "w", App: "b"}, nil)} {
				w := r.stream("", "Last-Event-ID: "+id)
				first, _ := w.next()
				r.must(w.status == 200 && first.id == "reset", "it opens with %d, %+v", w.status, first)
				second, _ := w.next()
				r.must(second.event == "reset" && second.Reason == protocol.ResetExpired && second.id == "reset", "then comes %+v", second)
				w.untilID()
				inserts, updates := map[string]bool{}, map[string]bool{}
				for _, b := range w.seen {
					switch b.Type {
					case "insert":
						inserts[idOf(b.Doc)] = true
					case "update":
						r.must(b.DocID == idOf(b.Doc), "an update of %s tells %s", b.DocID, b.Doc)
						updates[b.DocID] = true
					}
				}
				r.must(len(inserts) == 120 && len(updates) == 120, "%d inserts and %d updates came", len(inserts), len(updates))
				live := fmt.Sprint("live", len(c.list("c")))
				c.do("POST", dataPath, `{"collection":"c","docId":"`+live+`","data":{}}`)
				w.untilDoc(live)
				w.cut()
				c.do("DELETE", dataPath+"/"+live+"?collection=c", "")
			}
			w := r.stream("cursor=%zz")
			w.until("the reset", func(b told) bool { return b.event == "reset" })
		},
	},
	{
		id: "stream/reset-shared", says: "many that are reset at once share what is read",
		check: func(r *trial) {
			p := r.dial()
			for i := range 100 {
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 2000)+`"}`)
			}
			before := r.backend.calls()
			var ws []*watch
			for range 20 {
				ws = append(ws, r.stream("cursor=garbage"))
			}
			for _, w := range ws {
				w.untilID()
			}
			r.must(r.backend.calls()-before < 80, "%d reads for 20 streams of 8 pages", r.backend.calls()-before)
		},
	},
	{
		id: "stream/reset-live", says: "when the database has lost changes the stream is reset, tells all again, and goes on",
		check: func(r *trial) {
			c := rest{r, r.url}
			c.do("POST", dataPath, `{"collection":"c","docId":"d0","data":{}}`)
			w := r.stream("")
			w.untilDoc("d0")
			w.untilID() // the first came before the last seconds; from this one on it is live
			r.backend.loseNext()
			c.do("POST", dataPath, `{"collection":"c","docId":"d1","data":{}}`)
			reset := w.until("the reset", func(b told) bool { return b.event == "reset" })
			r.must(reset.Reason == protocol.ResetLost, "the reason is %q", reset.Reason)
			w.untilDoc("d1")
			w.untilID()
			docs := map[string]string{}
			foldInto(docs, w.seen)
			r.same(docs, w)
			c.do("POST", dataPath, `{"collection":"c","docId":"d2","data":{}}`)
			w.untilDoc("d2")
		},
	},
	{
		id: "stream/reset-gone", says: "after too many changes, what was deleted meanwhile is told as well",
		change: func(c *gateway.Config) { c.LogBytes = 20_000 },
		check: func(r *trial) {
			p := r.dial()
			p.insert("c", "gone", `{}`)
			w := r.stream("")
			w.untilDoc("gone")
			w.untilID()
			w.cut()
			p.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "gone"})
			for i := range 8 { // more than is caught up
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 200_000)+`"}`)
			}
			again := r.stream("", "Last-Event-ID: "+w.lastID)
			reset := again.until("the reset", func(b told) bool { return b.event == "reset" })
			r.must(reset.Reason == protocol.ResetTooMuch, "the reason is %q", reset.Reason)
			again.untilID()
			docs := map[string]string{}
			foldInto(docs, append(w.seen, again.seen...))
			r.same(docs, again)
		},
	},
	{
		id: "stream/reset-gone-expired", says: "after a cursor that has expired, what the history still knows to be deleted is told as well",
		check: func(r *trial) {
			p := r.dial()
			p.insert("c", "gone", `{}`)
			p.insert("c", "stays", `{}`)
			w := r.stream("")
			w.untilDoc("stays")
			w.untilID()
			w.cut()
			p.insert("c", "later", `{}`) // so that the client's place is forgotten
			r.harness.Forget(r, r.backend.Backend)
			p.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "gone"})
			again := r.stream("", "Last-Event-ID: "+w.lastID)
			reset := again.until("the reset", func(b told) bool { return b.event == "reset" })
			r.must(reset.Reason == protocol.ResetExpired, "the reason is %q", reset.Reason)
			again.untilID()
			docs := map[string]string{}
			foldInto(docs, append(w.seen, again.seen...))
			r.same(docs, again)
		},
	},
	{
		id: "stream/gone-at-once", says: "what was deleted is told although the stream then waits, and to nobody else",
		check: func(r *trial) {
			p := r.dial()
			p.insert("c", "gone", `{}`)
			p.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "gone"})
			p.insert("c", "d0", `{}`)
			p.until(protocol.TypeSettled)
			r.stream("").untilDoc("d0") // the feed has told all that
			release := r.backend.holdFeed()
			p.insert("c", "d1", `{}`) // the replay holds it, and the stream has to wait for the feed
			w := r.stream("cursor=garbage")
			for told := false; !told; {
				b, ok := w.next()
				r.must(ok, "the delete does not come; seen: %s", w.story())
				told = b.Type == "delete" && b.DocID == "gone"
			}
			first, _ := r.stream("version=draft").next()
			r.must(first.retry != "" && first.Type == "", "another scope's stream opens with %+v", first)
			release()
			w.untilID()
		},
	},
}
