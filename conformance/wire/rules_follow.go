package wire

import (
	"fmt"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

var followRules = []Rule{
	{
		ID:   "ws/follow-all",
		Says: "changes=all, which is the default, follows every collection of the scope",
		Check: func(r *trial) {
			writer, peers := r.dial("changes", "none"), []*peer{r.dial(), r.dial("changes", "all")}
			for i := range 3 {
				c := r.named(fmt.Sprint("notes", i))
				writer.insert(c, "a", `{}`)
				for _, p := range peers {
					p.change(c, "a")
					p.bookmark()
				}
			}
		},
	},
	{
		ID:   "ws/follow-none",
		Says: "with changes=none only what is subscribed comes",
		Check: func(r *trial) {
			writer, p := r.dial("changes", "none"), r.dial("changes", "none")
			c, other, nobody := r.named("notes"), r.named("other"), r.named("nobody")
			writer.insert(c, "a", `{"n":1}`)
			m := p.do(subscribe(c, "", ""))
			r.must(
				!m.Resumed && len(m.Docs) == 1, "subscribe: got resumed %v and %d documents want the one there is",
				m.Resumed, len(m.Docs),
			)
			m = p.do(subscribe(other, "x1", ""))
			r.must(len(m.Docs) == 0, "subscribe to a document that is not there: got %s", m.Docs)
			p.bookmark() // up to here what the answers held may be repeated
			from := len(p.seen)
			for i := range 5 {
				writer.insert(nobody, fmt.Sprint("n", i), `{}`)
				writer.insert(other, fmt.Sprint("x", i), `{}`)
				writer.insert(c, fmt.Sprint("e", i), `{}`)
			}
			p.change(c, "e4")
			p.bookmark()
			r.want("changes of the collection", len(p.changes(c, from)), 5)
			r.want("changes of the document", len(p.changes(other, from)), 1)
			r.want("id of the document", p.changes(other, from)[0].DocID, "x1")
			r.want("changes of what nobody follows", len(p.changes(nobody, from)), 0)
		},
	},
	{
		ID:   "ws/subscribe-document",
		Says: "a subscription with docId answers that document alone and follows it",
		Check: func(r *trial) {
			c, writer, p := r.named("notes"), r.dial("changes", "none"), r.dial("changes", "none")
			written := writer.insert(c, "a", `{}`)
			writer.insert(c, "b", `{}`)
			m := p.do(subscribe(c, "a", ""))
			r.must(
				len(m.Docs) == 1 && string(m.Docs[0]) == string(written.Doc), "docs: got %s want %s", m.Docs, written.Doc,
			)
			p.bookmark() // up to here what the answer held may be repeated
			from := len(p.seen)
			writer.do(update(c, "b", `{"n":1}`))
			writer.delete(c, "a")
			r.want("operation", p.change(c, "a").Operation, "delete")
			r.want("changes", len(p.changes(c, from)), 1)
		},
	},
	{
		ID: "ws/subscribe-resume",
		Says: "subscribe with its own cursor answers resumed without documents, and what was missed " +
			"comes",
		Check: func(r *trial) {
			writer, p := r.dial("changes", "none"), r.dial("changes", "none")
			c, other := r.named("notes"), r.named("other")
			writer.insert(c, "a", `{}`)
			writer.insert(c, "b", `{}`)
			p.do(subscribe(c, "", ""))
			cursor := p.bookmark()
			p.Cut()
			writer.insert(c, "d", `{}`)
			writer.insert(other, "x", `{}`)
			writer.delete(c, "a")
			again := r.dial("changes", "none")
			m := again.do(subscribe(c, "", cursor))
			r.must(
				m.Resumed && len(m.Docs) == 0, "subscribe: got resumed %v and %d documents want true and none", m.Resumed,
				len(m.Docs),
			)
			again.reach(writer, c)
			copied := map[string]string{}
			fold(copied, c, append(p.seen, again.seen...))
			r.exact("the copy after resuming", copied, writer.listed(c))
			for _, m := range again.changes(c, 0) {
				r.must(m.DocID != "b", "a change from before the cursor was told again: %s", m.Doc)
			}
			r.want("changes of what was not subscribed", len(again.changes(other, 0)), 0)
		},
	},
	{
		ID: "ws/subscribe-own-cursors",
		Says: "each subscription resumes from its own cursor, and no bookmark comes before all have " +
			"caught up",
		Check: func(r *trial) {
			writer, p := r.dial("changes", "none"), r.dial("changes", "none")
			collections := []string{r.named("a"), r.named("b"), r.named("c"), r.named("d")}
			var cursors []string
			var copies []map[string]string
			for n := range 2 * len(collections) { // in every snapshot all four have one n
				q := batch()
				for _, c := range collections {
					q.Operations = append(q.Operations, upsert(c, "x", fmt.Sprintf(`{"n":%d}`, n)))
				}
				writer.do(q)
				if n%2 == 1 {
					c := collections[n/2]
					p.do(subscribe(c, "", ""))
					cursors, copies = append(cursors, p.bookmark()), append(copies, map[string]string{})
					fold(copies[n/2], c, p.seen)
				}
			}
			p.Cut()
			again := r.dial("changes", "none")
			for i, c := range collections {
				r.want("resumed", again.do(subscribe(c, "", cursors[i])).Resumed, true)
			}
			again.bookmark()
			states := map[string]string{}
			for i, c := range collections {
				fold(copies[i], c, again.seen)
				states[c] = copies[i]["x"]
			}
			r.oneState(states)
		},
	},
	{
		ID:   "ws/subscribe-bad-cursor",
		Says: "subscribe with a cursor that cannot be resumed answers resumed false with the documents",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			p.insert(c, "a", `{}`)
			for _, cursor := range r.unusable() {
				m := p.do(subscribe(c, "", cursor))
				r.must(
					!m.Resumed && len(m.Docs) == 1, "subscribe with %s: got resumed %v and %d documents want false and one",
					show(cursor), m.Resumed, len(m.Docs),
				)
			}
		},
	},
	{
		ID: "ws/unsubscribe",
		Says: "after the answer to unsubscribe no change of it comes, unless another subscription " +
			"covers it",
		Check: func(r *trial) {
			writer, p := r.dial("changes", "none"), r.dial("changes", "none")
			c, other := r.named("notes"), r.named("other")
			for _, q := range []protocol.Request{
				subscribe(c, "", ""), subscribe(c, "a", ""), subscribe(other, "", ""),
			} {
				p.do(q)
			}
			p.do(unsubscribe(c, ""))
			p.do(unsubscribe(c, "never"))
			from := len(p.seen)
			writer.insert(c, "b", `{}`)
			writer.insert(c, "a", `{}`)
			writer.insert(other, "x", `{}`)
			p.change(other, "x")
			r.want("changes of the document that is still followed", len(p.changes(c, from)), 1)
			p.do(unsubscribe(c, "a"))
			from = len(p.seen)
			writer.delete(c, "a")
			writer.insert(other, "y", `{}`)
			p.change(other, "y")
			r.want("changes of what was left", len(p.changes(c, from)), 0)
		},
	},
	{
		ID:   "ws/subscribe-with-all",
		Says: "a connection that follows the scope refuses subscribe and unsubscribe",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			p.refused(protocol.CodeInvalidMessage, subscribe(c, "", ""))
			p.refused(protocol.CodeInvalidMessage, unsubscribe(c, ""))
		},
	},
	{
		ID:   "ws/scopes",
		Says: "no change, list or document of one scope reaches another",
		Check: func(r *trial) {
			c := r.named("notes")
			scopes := append([]protocol.Scope{r.scope}, r.others()...)
			var peers []*peer
			for _, s := range scopes {
				peers = append(peers, r.dialScope(s))
			}
			for i := range 10 {
				for n, p := range peers {
					p.insert(c, fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d}`, n))
				}
			}
			for n, p := range peers {
				p.settled(p.insert(c, "last", fmt.Sprintf(`{"n":%d}`, n)).RequestID)
				for _, m := range p.changes(c, 0) {
					r.must(stamp(m.Doc).N == n, "%s was sent a change of %s: %s", p.scope, scopes[stamp(m.Doc).N], m.Doc)
				}
				docs := p.list(c)
				r.want("documents of "+p.scope.String(), len(docs), 11)
				for _, d := range docs {
					r.must(stamp([]byte(d)).N == n, "%s lists a document of %s: %s", p.scope, scopes[stamp([]byte(d)).N], d)
				}
			}
		},
	},
}

// unusable are cursors that no gateway can resume in the rule's scope: garbage, and those of other
// scopes.
func (r *trial) unusable() []string {
	foreign := r.dialScope(r.draft())
	foreign.do(list("nothing"))
	nonsense := protocol.EncodeCursor(r.scope, []byte("nonsense"))
	return []string{"garbage", "AQID", "%zz", foreign.bookmark(), nonsense, long(5000)}
}

func long(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'A'
	}
	return string(text)
}

// cursorRules are about cursors in the URL.
var cursorRules = []Rule{
	{
		ID:   "ws/resume-exact",
		Says: "after a cut, the cursor of the last bookmark brings exactly what was missed",
		Check: func(r *trial) {
			c, writer, p := r.named("notes"), r.dial("changes", "none"), r.dial()
			writer.insert(c, "a", `{"n":0}`)
			writer.insert(c, "b", `{"n":0}`)
			p.do(list(c)) // its answer is in the cursor of the bookmark after it
			cursor := p.bookmark()
			p.Cut()
			for i := range 20 {
				writer.insert(c, fmt.Sprint("e", i), `{"n":1}`)
			}
			writer.delete(c, "a")
			again := r.dial("cursor", cursor)
			r.want("resumed", again.Welcome.Resumed, true)
			again.reach(writer, c)
			copied := map[string]string{}
			fold(copied, c, append(p.seen, again.seen...))
			r.exact("the copy after resuming", copied, writer.listed(c))
			for _, m := range again.changes(c, 0) {
				r.must(m.DocID != "b", "a change from before the cut was told again: %s", m.Doc)
			}
		},
	},
	{
		ID:   "ws/resume-under-load",
		Says: "whenever a connection is cut, resuming goes on without a gap",
		Check: func(r *trial) {
			c := r.named("notes")
			stop := r.busy(c, 5, "")
			p := r.dial()
			p.do(list(c))
			copied, cursor := map[string]string{}, p.bookmark()
			fold(copied, c, p.seen)
			for range 12 {
				p.Cut()
				p = r.dial("cursor", cursor)
				r.want("resumed", p.Welcome.Resumed, true)
				cursor = p.bookmark()
				fold(copied, c, p.seen)
				r.oneState(copied)
			}
			stop()
			last := r.dial("changes", "none")
			last.insert(c, "last", `{}`)
			from := len(p.seen)
			p.change(c, "last")
			p.bookmark()
			fold(copied, c, p.seen[from:])
			r.exact("the copy after all cuts", copied, last.listed(c))
		},
	},
	{
		ID: "ws/reset-cursor",
		Says: "a cursor that cannot be resumed gets welcome with resumed false, then a reset, and " +
			"the stream goes on",
		Check: func(r *trial) {
			c := r.named("notes")
			for i, cursor := range r.unusable() {
				p := r.dial("cursor", cursor)
				r.want("resumed with "+show(cursor), p.Welcome.Resumed, false)
				reset := p.next()
				r.want("message after the welcome", reset.Type, protocol.TypeReset)
				r.want("reason", reset.Reason, "cursor_expired")
				r.must(reset.SpreadMS >= 0 && reset.Collections == nil, "reset: got %+v", reset)
				p.insert(c, fmt.Sprint("d", i), `{}`)
				p.change(c, fmt.Sprint("d", i))
				p.bookmark()
				p.Cut()
			}
		},
	},
	{
		ID:   "ws/cursor-with-none",
		Says: "cursor in the URL with changes=none is refused",
		Check: func(r *trial) {
			r.refusal(
				r.upgrade(client.URL(r.target.URL, r.scope, "changes", "none", "cursor", "x")),
				protocol.CodeInvalidMessage,
			)
		},
	},
}
