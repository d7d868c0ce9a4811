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
	{"sse/opening", "headers, retry and an id come at once, and every change after them comes", func(r *trial) {
		c, l := r.named("notes"), r.listen(nil)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "",
		} {
			r.want(name, l.Header.Get(name), want)
		}
		first := l.next()
		r.must(first.Retry != "" && first.ID != "" && first.Data == "", "the stream opens with %+v want retry and id", first)
		r.dial("changes", "none").insert(c, "a", `{}`)
		l.told(c, "a")
		r.must(l.id() != first.ID, "the id stays after a change")
	}},
	{"sse/shapes", "an insert has no docId, a delete no doc, no change has an event name, and _rev is told with rev=1 only", func(r *trial) {
		c, p := r.named("notes"), r.dial("changes", "none")
		plain, full := r.listen(nil), r.listen([]string{"rev", "1"})
		for _, step := range []struct {
			q    protocol.Request
			want string
		}{
			{insert(c, "a", `{"n":1}`), `{"type":"insert","collection":"C","doc":{"_id":"a","n":1,"_createdAt":"T","_updatedAt":"T"}}`},
			{update(c, "a", `{"n":2}`), `{"type":"update","collection":"C","docId":"a","doc":{"_id":"a","n":2,"_createdAt":"T","_updatedAt":"T"}}`},
			{remove(c, "a"), `{"type":"delete","collection":"C","docId":"a"}`},
		} {
			if len(plain.seen) == 0 {
				plain.live()
				full.live()
			}
			answer := p.do(step.q)
			b := plain.told(c, "a")
			r.want("event", b.Event, "")
			r.want("data", timeless(b.Data), strings.Replace(step.want, `"C"`, `"`+c+`"`, 1))
			plain.id()
			r.want("doc with rev=1", string(full.told(c, "a").Doc), string(answer.Doc))
			full.id()
		}
	}},
	{"sse/resume-last-event-id", "after a cut, Last-Event-ID brings exactly what was missed, and goes before the URL's cursor", func(r *trial) {
		c, p, l := r.named("notes"), r.dial("changes", "none"), r.listen(nil)
		p.insert(c, "a", `{}`)
		p.insert(c, "b", `{}`)
		l.told(c, "b")
		id := l.id()
		l.Cut()
		r.miss(p, c)
		again := r.listen([]string{"cursor", "garbage"}, "Last-Event-ID: "+id)
		r.want("the first id", again.next().ID, id)
		r.missed(c, l, again)
	}},
	{"sse/resume-cursor", "cursor in the URL resumes as Last-Event-ID does", func(r *trial) {
		c, p, l := r.named("notes"), r.dial("changes", "none"), r.listen(nil)
		p.insert(c, "a", `{}`)
		p.insert(c, "b", `{}`)
		l.told(c, "b")
		id := l.id()
		l.Cut()
		r.miss(p, c)
		again := r.listen([]string{"cursor", id})
		r.want("the first id", again.next().ID, id)
		r.missed(c, l, again)
	}},
	{"sse/resume-under-load", "whenever a stream is cut, the last id goes on without a gap", func(r *trial) {
		c := r.named("notes")
		l := r.listen(nil)
		l.live()
		stop := r.busy(c, 5, "")
		copied := map[string]string{}
		for range 12 {
			l.told(c, "d0")
			l.id()
			hear(copied, c, l.seen)
			r.oneState(copied)
			l.Cut()
			l = r.listen(nil, "Last-Event-ID: "+l.lastID)
		}
		stop()
		r.dial("changes", "none").insert(c, "last", `{}`)
		l.told(c, "last")
		l.id()
		hear(copied, c, l.seen)
		r.exact("the copy after all cuts", copied, r.revLess(c))
	}},
	{"sse/list-cursor", "a list and the stream from its Second-Cursor are exact together", func(r *trial) {
		c, p := r.named("notes"), r.dial("changes", "none")
		stop := r.busy(c, 5, "")
		for range 5 {
			a := r.rest("GET", r.dataURL("", "collection", c), "")
			r.must(a.Header.Get("Second-Cursor") != "", "the list has no Second-Cursor")
			copied := docsIn(r, a)
			r.oneState(copied)
			l := r.listen([]string{"cursor", a.Header.Get("Second-Cursor")})
			l.told(c, "d0")
			l.id()
			hear(copied, c, l.seen)
			r.oneState(copied)
			l.Cut()
		}
		stop()
		a := r.rest("GET", r.dataURL("", "collection", c), "")
		p.delete(c, "d0")
		p.insert(c, "last", `{}`)
		l := r.listen([]string{"cursor", a.Header.Get("Second-Cursor")})
		l.told(c, "last")
		l.id()
		copied := docsIn(r, a)
		hear(copied, c, l.seen)
		r.exact("list and stream together", copied, r.revLess(c))
	}},
	{"sse/pages-cursor", "the stream from the first page's Second-Cursor repairs what changed between the pages", func(r *trial) {
		c, p := r.named("notes"), r.dial("changes", "none")
		r.fill(p, c, 20)
		first := r.rest("GET", r.dataURL("", "collection", c, "limit", "10"), "")
		p.delete(c, "d03")
		p.do(update(c, "d04", `{"moved":true}`))
		copied := docsIn(r, first)
		hearAll(copied, docsIn(r, r.rest("GET", r.dataURL("", "collection", c, "limit", "100", "after", nextOf(r, first)), "")))
		p.insert(c, "last", `{}`)
		l := r.listen([]string{"cursor", first.Header.Get("Second-Cursor")})
		l.told(c, "last")
		l.id()
		hear(copied, c, l.seen)
		r.exact("pages and stream together", copied, r.revLess(c))
	}},
	{"sse/one-cursor-for-all", "a bookmark of a socket resumes a stream, and an id of a stream resumes a socket", func(r *trial) {
		c, p := r.named("notes"), r.dial()
		p.settled(p.insert(c, "a", `{}`).RequestID)
		bookmark := p.bookmarkNow()
		p.insert(c, "b", `{}`)
		l := r.listen([]string{"cursor", bookmark})
		r.want("the first id", l.next().ID, bookmark)
		l.told(c, "b")
		id := l.id()
		r.want("events of what came before the bookmark", len(l.of(c, 0)), 1)
		p.insert(c, "last", `{}`)
		again := r.dial("cursor", id)
		r.want("resumed", again.Welcome.Resumed, true)
		again.change(c, "last")
		r.want("changes of what came before the id", len(again.changes(c, 0)), 1)
	}},
	{"sse/id-whole-transactions", "a transaction is never split by an id", func(r *trial) {
		c, l := r.named("notes"), r.listen(nil)
		l.live()
		stop := r.busy(c, 30, strings.Repeat(pad, 10))
		defer stop()
		copied := map[string]string{}
		for from := 0; len(copied) == 0 || stamp([]byte(copied["d0"])).N < 15; from = len(l.seen) {
			l.id()
			hear(copied, c, l.seen[from:])
			r.oneState(copied)
		}
	}},
	{"sse/order", "the events of one document come in commit order", func(r *trial) {
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
			n := stamp(l.told(c, "a").Doc).N
			r.must(n >= newest, "order: got n=%d after n=%d", n, newest)
			newest = n
		}
	}},
	{"sse/recent", "without a cursor it opens with the last seconds: each document in its latest state, as insert and as update", func(r *trial) {
		c, p := r.named("notes"), r.dial()
		for n := range 5 {
			p.upsert(c, "a", fmt.Sprintf(`{"n":%d}`, n))
		}
		p.insert(c, "gone", `{}`)
		p.delete(c, "gone")
		p.settled(p.insert(c, "last", `{}`).RequestID) // everybody could have been told by now
		l := r.listen(nil)
		l.live()
		var types []string
		for _, b := range l.of(c, 0) {
			if subject(b) == "a" {
				r.must(stamp(b.Doc).N == 4, "an older state was told: %s", b.Doc)
				types = append(types, b.Type)
			}
		}
		r.want("events of a document", types, []string{"insert", "update"})
	}},
	{"sse/heartbeat", "a quiet stream has a comment at least each 60 s, and an id after it", func(r *trial) {
		l := r.listen(nil)
		l.live()
		for l.nextWithin(streamHeartbeat+10*time.Second).Comment == "" {
		}
		l.id()
	}},
	{"sse/scopes", "nothing of one scope reaches another's stream, draft and published included", func(r *trial) {
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
			l.told(c, "last")
			for _, b := range l.of(c, 0) {
				r.must(stamp(b.Doc).N == i, "the stream of %s told of %s: %s", scopes[i], scopes[stamp(b.Doc).N], b.Data)
			}
		}
	}},
	{"sse/hostile-text", "no text of a document or collection ends a line of the stream", func(r *trial) {
		c, l := r.named("c\u2028"), r.listen(nil)
		l.live()
		from := len(l.seen)
		text := "a\r\nb\rc\nd\u2028e\u2029f\ufeffg\u0085h\ndata: x\n\nid: evil\n\nevent: reset"
		data := append(protocol.AppendString([]byte(`{"t":`), text), '}')
		r.dial("changes", "none").insert(c, "a", string(data))
		b := l.told(c, "a")
		r.must(strings.HasPrefix(string(b.Doc), `{"_id":"a",`+string(data[1:len(data)-1])), "it came as %s", b.Data)
		l.id()
		for _, b := range l.seen[from:] {
			r.must(b.Event == "" && b.ID != "evil", "the text became a line: %+v", b)
		}
	}},
	{"sse/refused", "what is wrong for good is refused with a status: a malformed scope 400, a foreign origin 403", func(r *trial) {
		bad := r.scope
		bad.App = "x__draft"
		r.refusal(r.rest("GET", StreamURL(r.target.URL, bad), ""), protocol.CodeInvalidID)
		r.refusal(r.rest("GET", StreamURL(r.target.URL, r.scope), "", "Origin: http://evil.example"), protocol.CodeForbidden)
	}},
}

// miss writes what a listener that was cut misses.
func (r *trial) miss(p *peer, collection string) {
	for i := range 10 {
		p.insert(collection, fmt.Sprint("e", i), `{}`)
	}
	p.delete(collection, "a")
	p.insert(collection, "last", `{}`)
}

// missed wants the second listener to be told what was missed, and nothing more.
func (r *trial) missed(collection string, before, after *listener) {
	after.told(collection, "last")
	after.id()
	for _, b := range after.of(collection, 0) {
		r.must(subject(b) != "b", "an event from before the cut was told again: %s", b.Data)
	}
	copied := map[string]string{}
	hear(copied, collection, append(before.seen, after.seen...))
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
	r.must(json.Unmarshal([]byte(a.Body), &answer) == nil && answer.Docs != nil, "a list: got %s want docs", show(a.Body))
	docs := map[string]string{}
	for _, d := range answer.Docs {
		docs[idOf(d)] = string(d)
	}
	return docs
}

func nextOf(r *trial, a client.Reply) string {
	var answer struct{ Next string }
	r.must(json.Unmarshal([]byte(a.Body), &answer) == nil && answer.Next != "", "a page that is not the last: got no next")
	return answer.Next
}

func hearAll(docs, more map[string]string) {
	for id, d := range more {
		docs[id] = d
	}
}

// resetRules are about streams that cannot be resumed.
var resetRules = []Rule{
	{"sse/reset-event", "a cursor that cannot be used is no status but 200: id reset, then event reset with its reason as data", func(r *trial) {
		for _, cursor := range append(r.unusable(), "reset") {
			l := r.listen(nil, "Last-Event-ID: "+cursor)
			first := l.next()
			r.must(first.ID == "reset" && first.Retry != "", "with %s the stream opens with %+v want retry and id: reset", show(cursor), first)
			second := l.next()
			r.want("second event", second.Event, "reset")
			r.must(second.Reason == "cursor_expired" && second.Data != "", "data of the reset: got %q want its reason", second.Data)
			l.Cut()
		}
	}},
	{"sse/reset-replays", "after a reset every document comes again, as insert and as update, then a usable id, then what is new", func(r *trial) {
		c, p := r.named("notes"), r.dial("changes", "none")
		for n := range 3 {
			q := batch()
			for i := range 40 {
				q.Operations = append(q.Operations, insert(c, fmt.Sprintf("d%d-%d", n, i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 3000))))
			}
			p.do(q)
		}
		l := r.listen([]string{"cursor", "garbage"})
		id := l.id()
		copied, types := map[string]string{}, map[string]map[string]bool{"insert": {}, "update": {}}
		hear(copied, c, l.seen)
		r.exact("the copy after the replay", copied, r.revLess(c))
		for _, b := range l.of(c, 0) {
			types[b.Type][subject(b)] = true
		}
		r.want("documents told as insert and as update", []int{len(types["insert"]), len(types["update"])}, []int{120, 120})
		p.insert(c, "new", `{}`)
		l.told(c, "new")
		l.Cut()
		again := r.listen(nil, "Last-Event-ID: "+id)
		r.want("the first id when that is resumed", again.next().ID, id)
		again.told(c, "new")
	}},
	{"sse/reset-until-whole", "until the last document of a replay the id is reset: who is cut before is reset again", func(r *trial) {
		c, p := r.named("notes"), r.dial("changes", "none")
		r.fill(p, c, 30)
		l := r.listen([]string{"cursor", "garbage"})
		for told := 0; told < 30; {
			b := l.next()
			r.must(b.ID == "" || b.ID == "reset", "a usable id stands before the last document")
			if b.Type == "insert" && b.Collection == c {
				told++
			}
		}
	}},
}
