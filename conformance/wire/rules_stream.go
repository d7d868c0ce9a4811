package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// streamHeartbeat is how often a quiet stream has a comment at the latest.
const streamHeartbeat = 60 * time.Second

var streamRules = []Rule{
	{
		ID:   "sse/opening",
		Says: "headers, retry and an id come at once, and every change after them comes",
		Check: func(r *trial) {
			c, l := r.named("notes"), r.listen(nil)
			for name, want := range map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform",
				"X-Accel-Buffering": "no", "Content-Encoding": "",
			} {
				r.want(name, l.Header.Get(name), want)
			}
			first := l.next()
			r.must(
				first.Retry != "" && first.ID != "" && first.Data == "", "the stream opens with %+v want retry and id",
				first,
			)
			r.dial("changes", "none").insert(c, "a", `{}`)
			l.event(c, "a")
			r.must(l.id() != first.ID, "the id stays after a change")
		},
	},
	{
		ID: "sse/shapes",
		Says: "an insert has no docId, a delete no doc, no change has an event name, and _rev is " +
			"told with rev=1 only",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			plain, full := r.listen(nil), r.listen([]string{"rev", "1"})
			for _, step := range []struct {
				q    protocol.Request
				want string
			}{
				{
					insert(c, "a", `{"n":1}`),
					`{"type":"insert","collection":"C","doc":{"_id":"a","n":1,"_createdAt":"T","_updatedAt":"T"}}`,
				},
				{
					update(c, "a", `{"n":2}`),
					`{"type":"update","collection":"C","docId":"a",` +
						`"doc":{"_id":"a","n":2,"_createdAt":"T","_updatedAt":"T"}}`,
				},
				{remove(c, "a"), `{"type":"delete","collection":"C","docId":"a"}`},
			} {
				if len(plain.seen) == 0 {
					plain.live()
					full.live()
				}
				answer := p.do(step.q)
				b := plain.event(c, "a")
				r.want("event", b.Event, "")
				r.want("data", timeless(b.Data), strings.Replace(step.want, `"C"`, `"`+c+`"`, 1))
				plain.id()
				r.want("doc with rev=1", string(full.event(c, "a").Doc), string(answer.Doc))
				full.id()
			}
			r.want("events", len(plain.of(c, 0)), 3)
		},
	},
	{
		ID: "sse/resume-last-event-id",
		Says: "after a cut, Last-Event-ID brings exactly what was missed, and goes before the URL's " +
			"cursor",
		Check: func(r *trial) {
			c, p, l := r.named("notes"), r.dial("changes", "none"), r.listen(nil)
			p.insert(c, "a", `{}`)
			p.insert(c, "b", `{}`)
			l.event(c, "b")
			id := l.id()
			l.Cut()
			r.miss(p, c)
			again := r.listen([]string{"cursor", "garbage"}, "Last-Event-ID: "+id)
			r.want("the first id", again.next().ID, id)
			r.missed(c, l, again)
		},
	},
	{
		ID:   "sse/resume-cursor",
		Says: "cursor in the URL resumes as Last-Event-ID does",
		Check: func(r *trial) {
			c, p, l := r.named("notes"), r.dial("changes", "none"), r.listen(nil)
			p.insert(c, "a", `{}`)
			p.insert(c, "b", `{}`)
			l.event(c, "b")
			id := l.id()
			l.Cut()
			r.miss(p, c)
			again := r.listen([]string{"cursor", id})
			r.want("the first id", again.next().ID, id)
			r.missed(c, l, again)
		},
	},
	{
		ID: "sse/merged",
		Says: "a document that was inserted and changed during a cut comes as an insert and as an " +
			"update: its newest state reaches clients that ignore the one or the other",
		Check: func(r *trial) {
			c, p, l := r.named("notes"), r.dial("changes", "none"), r.listen(nil)
			p.insert(c, "before", `{}`)
			l.event(c, "before")
			id := l.id()
			l.Cut()
			p.insert(c, "a", `{"n":1}`)
			p.do(update(c, "a", `{"n":2}`))
			p.insert(c, "last", `{}`)
			again := r.listen(nil, "Last-Event-ID: "+id)
			again.event(c, "last")
			again.id()
			var types []string
			var last client.Block
			for _, b := range again.of(c, 0) {
				if subject(b) == "a" {
					types, last = append(types, b.Type), b
				}
			}
			r.want("the events of the document", types, []string{"insert", "update"})
			r.want("the state of its update", stamp(last.Doc).N, 2)
		},
	},
	{
		ID:   "sse/resume-under-load",
		Says: "whenever a stream is cut, the last id goes on without a gap",
		Check: func(r *trial) {
			c := r.named("notes")
			l := r.listen(nil)
			l.live()
			stop := r.busy(c, 5, "")
			copied := map[string]string{}
			for range 12 {
				l.event(c, "d0")
				l.id()
				apply(copied, c, l.seen)
				r.oneState(copied)
				l.Cut()
				l = r.listen(nil, "Last-Event-ID: "+l.lastID)
			}
			stop()
			r.dial("changes", "none").insert(c, "last", `{}`)
			l.event(c, "last")
			l.id()
			apply(copied, c, l.seen)
			r.exact("the copy after all cuts", copied, r.revLess(c))
		},
	},
	{
		ID:   "sse/list-cursor",
		Says: "a list and the stream from its Second-Cursor are exact together",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			stop := r.busy(c, 5, "")
			for range 5 {
				a := r.rest("GET", r.dataURL("", "collection", c), "")
				r.must(a.Header.Get("Second-Cursor") != "", "the list has no Second-Cursor")
				copied := docsIn(r, a)
				r.oneState(copied)
				l := r.listen([]string{"cursor", a.Header.Get("Second-Cursor")})
				l.event(c, "d0")
				l.id()
				apply(copied, c, l.seen)
				r.oneState(copied)
				l.Cut()
			}
			stop()
			a := r.rest("GET", r.dataURL("", "collection", c), "")
			p.delete(c, "d0")
			p.insert(c, "last", `{}`)
			l := r.listen([]string{"cursor", a.Header.Get("Second-Cursor")})
			l.event(c, "last")
			l.id()
			copied := docsIn(r, a)
			apply(copied, c, l.seen)
			r.exact("list and stream together", copied, r.revLess(c))
		},
	},
	{
		ID:   "sse/pages-cursor",
		Says: "the stream from the first page's Second-Cursor repairs what changed between the pages",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			r.fill(p, c, 20)
			first := r.rest("GET", r.dataURL("", "collection", c, "limit", "10"), "")
			p.delete(c, "d03")
			p.do(update(c, "d04", `{"moved":true}`))
			copied := docsIn(r, first)
			addAll(
				copied,
				docsIn(r, r.rest("GET", r.dataURL("", "collection", c, "limit", "100", "after", nextOf(r, first)), "")),
			)
			p.insert(c, "last", `{}`)
			l := r.listen([]string{"cursor", first.Header.Get("Second-Cursor")})
			l.event(c, "last")
			l.id()
			apply(copied, c, l.seen)
			r.exact("pages and stream together", copied, r.revLess(c))
		},
	},
	{
		ID:   "sse/one-cursor-for-all",
		Says: "a bookmark of a socket resumes a stream, and an id of a stream resumes a socket",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			p.settled(p.insert(c, "a", `{}`).RequestID)
			bookmark := p.bookmarkNow()
			p.insert(c, "b", `{}`)
			l := r.listen([]string{"cursor", bookmark})
			r.want("the first id", l.next().ID, bookmark)
			l.event(c, "b")
			id := l.id()
			r.want("events of what came before the bookmark", len(l.of(c, 0)), 1)
			p.insert(c, "last", `{}`)
			again := r.dial("cursor", id)
			r.want("resumed", again.Welcome.Resumed, true)
			again.change(c, "last")
			r.want("changes of what came before the id", len(again.changes(c, 0)), 1)
		},
	},
	{
		ID:   "sse/id-whole-transactions",
		Says: "a transaction is never split by an id",
		Check: func(r *trial) {
			c, l := r.named("notes"), r.listen(nil)
			l.live()
			stop := r.busy(c, 30, strings.Repeat(pad, 30)) // 90 KB: more than one write to a client
			defer stop()
			copied := map[string]string{}
			for from := 0; len(copied) == 0 || stamp([]byte(copied["d0"])).N < 15; from = len(l.seen) {
				l.id()
				apply(copied, c, l.seen[from:])
				r.oneState(copied)
			}
		},
	},
	{
		ID:   "sse/order",
		Says: "the events of one document come in commit order",
		Check: func(r *trial) {
			c, l := r.named("notes"), r.listen(nil)
			l.live()
			p := r.dial("changes", "none")
			for n := 1; n <= 100; n++ {
				p.send(upsert(c, "a", fmt.Sprintf(`{"n":%d}`, n)))
				if n%30 == 0 {
					p.do(protocol.Request{Type: protocol.TypePing})
				}
			}
			for newest := 0; newest < 100; {
				n := stamp(l.event(c, "a").Doc).N
				r.must(n >= newest, "order: got n=%d after n=%d", n, newest)
				newest = n
			}
		},
	},
	{
		ID: "sse/recent",
		Says: "without a cursor it opens with the last seconds: each document in its latest state, " +
			"as insert and as update",
		Check: func(r *trial) {
			r.recent("from the database", r.named("notes"))
			follower := r.listen(nil)
			follower.live()
			r.recent("from what is kept for followers", r.named("more"))
		},
	},
	{
		ID:   "sse/heartbeat",
		Says: "a quiet stream has a comment at least each 60 s, and an id after it",
		Check: func(r *trial) {
			l := r.listen(nil)
			l.live()
			for l.nextWithin(streamHeartbeat+10*time.Second).Comment == "" {
			}
			l.id()
		},
	},
	{
		ID:   "sse/scopes",
		Says: "nothing of one scope reaches another's stream, draft and published included",
		Check: func(r *trial) {
			c := r.named("notes")
			scopes := append([]protocol.Scope{r.scope}, r.others()...)
			var listeners []*listener
			for _, s := range scopes {
				listeners = append(listeners, r.listenTo(s, nil))
			}
			for i, s := range scopes {
				p := r.dialScope(s, "changes", "none")
				for _, id := range []string{"a", "b", "last"} {
					p.insert(c, id, fmt.Sprintf(`{"n":%d}`, i))
				}
			}
			for i, l := range listeners {
				l.event(c, "last")
				for _, b := range l.of(c, 0) {
					r.must(stamp(b.Doc).N == i, "the stream of %s told of %s: %s", scopes[i], scopes[stamp(b.Doc).N], b.Data)
				}
			}
		},
	},
	{
		ID:   "sse/hostile-text",
		Says: "no text of a document or collection ends a line of the stream",
		Check: func(r *trial) {
			c, l := r.named("c\u2028"), r.listen(nil)
			l.live()
			from := len(l.seen)
			text := "a\r\nb\rc\nd\u2028e\u2029f\ufeffg\u0085h\ndata: x\n\nid: evil\n\nevent: reset"
			data := append(protocol.AppendString([]byte(`{"t":`), text), '}')
			r.dial("changes", "none").insert(c, "a", string(data))
			b := l.event(c, "a")
			r.must(
				strings.HasPrefix(string(b.Doc), `{"_id":"a",`+string(data[1:len(data)-1])), "it came as %s", b.Data,
			)
			l.id()
			for _, b := range l.seen[from:] {
				r.must(b.Event == "" && b.ID != "evil", "the text became a line: %+v", b)
			}
		},
	},
	{
		ID: "sse/refused",
		Says: "what is wrong for good is refused with a status: a malformed scope 400, a foreign " +
			"origin 403",
		Check: func(r *trial) {
			bad := r.scope
			bad.App = "x__draft"
			r.refusal(r.rest("GET", client.StreamURL(r.target.URL, bad), ""), protocol.CodeInvalidID)
			r.refusal(
				r.rest("GET", client.StreamURL(r.target.URL, r.scope), "", "Origin: http://evil.example"),
				protocol.CodeForbidden,
			)
		},
	},
}

// recent writes to a collection and wants a stream without a cursor to open with it.
func (r *trial) recent(what, collection string) {
	p := r.dial("changes", "none")
	for n := range 5 {
		p.upsert(collection, "a", fmt.Sprintf(`{"n":%d}`, n))
	}
	p.insert(collection, "gone", `{}`)
	p.delete(collection, "gone")
	last := r.dial()
	last.settled(last.insert(collection, "last", `{}`).RequestID) // the gateway has heard of everything
	last.Cut()
	l := r.listen(nil)
	l.live()
	var types, gone []string
	for _, b := range l.of(collection, 0) {
		switch subject(b) {
		case "a":
			r.must(stamp(b.Doc).N == 4, "an older state was told %s: %s", what, b.Doc)
			types = append(types, b.Type)
		case "gone":
			gone = append(gone, b.Type)
		}
	}
	r.want("events of a document "+what, types, []string{"insert", "update"})
	r.want("last event of a deleted document "+what, strings.Join(gone[max(0, len(gone)-1):], ""), "delete")
	l.Cut()
}

// miss writes what a listener that was cut misses.
func (r *trial) miss(p *peer, collection string) {
	for i := range 10 {
		p.insert(collection, fmt.Sprint("e", i), `{}`)
	}
	p.delete(collection, "a")
	p.insert(collection, "last", `{}`)
}

const missedEvents = 12

// missed wants the second listener to be told what was missed, and nothing more.
func (r *trial) missed(collection string, before, after *listener) {
	after.event(collection, "last")
	after.id()
	r.want("events of what was missed", len(after.of(collection, 0)), missedEvents)
	for _, b := range after.of(collection, 0) {
		r.must(subject(b) != "b", "an event from before the cut was told again: %s", b.Data)
	}
	copied := map[string]string{}
	apply(copied, collection, append(before.seen, after.seen...))
	r.exact("the copy after resuming", copied, r.revLess(collection))
}

// bookmarkNow is the last bookmark that was seen.
func (p *peer) bookmarkNow() string {
	for i := len(p.seen) - 1; i >= 0; i-- {
		if p.seen[i].Type == protocol.TypeBookmark {
			return p.seen[i].Cursor
		}
	}
	return p.bookmark()
}

func docsIn(r *trial, a client.Reply) map[string]string {
	var answer struct{ Docs []json.RawMessage }
	r.must(
		json.Unmarshal([]byte(a.Body), &answer) == nil && answer.Docs != nil, "a list: got %s want docs",
		show(a.Body),
	)
	docs := map[string]string{}
	for _, d := range answer.Docs {
		docs[idOf(d)] = string(d)
	}
	return docs
}

func nextOf(r *trial, a client.Reply) string {
	var answer struct{ Next string }
	r.must(
		json.Unmarshal([]byte(a.Body), &answer) == nil && answer.Next != "",
		"a page that is not the last: got no next",
	)
	return answer.Next
}

func addAll(docs, more map[string]string) {
	for id, d := range more {
		docs[id] = d
	}
}
