package gateway_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

func (r *trial) stream(query string, headers ...string) *watch {
	r.Helper()
	return watchStream(r.T, r.ctx, r.url+dataPath+"/stream?"+query, headers...)
}

// all is a copy of collection c as REST lists it, by collection and id.
func (r *trial) all() map[string]string {
	r.Helper()
	docs := map[string]string{}
	for id, d := range (rest{r, r.url}).list("c") {
		docs["c/"+id] = d
	}
	return docs
}

func (r *trial) same(docs map[string]string, w *watch) {
	r.Helper()
	if want := r.all(); !maps.Equal(docs, want) {
		require.Equal(quietly{r.T}, want, docs)
		r.broken("the copy has %d documents, the database %d; seen: %.2000s", len(docs), len(want), w.story())
	}
}

var sseRules = []rule{
	{
		id: "stream/opening", says: "headers, retry and an id come at once, and what is committed after them comes",
		check: func(r *trial) {
			w := r.stream("")
			for name, want := range map[string]string{
				"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "",
			} {
				r.must(w.header.Get(name) == want, "%s is %q", name, w.header.Get(name))
			}
			first, _ := w.next()
			r.must(w.status == 200 && first.retry == "1000" && first.id != "" && first.data == "", "it opens with %+v", first)
			c := rest{r, r.url}
			c.do("POST", dataPath, `{"collection":"c","docId":"d","data":{}}`)
			w.untilDoc("d")
			r.must(w.untilID() != first.id, "the id stays")
		},
	},
	{
		id: "stream/shapes", says: "an insert has no docId, a delete no doc, and _rev is told on request only",
		check: func(r *trial) {
			plain, rev := r.stream(""), r.stream("rev=1")
			for _, w := range []*watch{plain, rev} {
				w.untilID() // the opening's
				w.untilID() // after the last seconds: from here on it is live
			}
			c := rest{r, r.url}
			c.do("POST", dataPath, `{"collection":"c","docId":"d","data":{"n":1}}`)
			plain.untilID()
			rev.untilID()
			c.do("PATCH", dataPath+"/d", `{"collection":"c","data":{"n":2}}`)
			plain.untilID()
			rev.untilID()
			c.do("DELETE", dataPath+"/d?collection=c", "")
			plain.until("the delete", func(b told) bool { return b.Type == "delete" })
			rev.until("the delete", func(b told) bool { return b.Type == "delete" })
			const doc = `{"_id":"d","n":%d,"_createdAt":"T","_updatedAt":"T"}}`
			want := []string{
				fmt.Sprintf(`{"type":"insert","collection":"c","doc":`+doc, 1),
				fmt.Sprintf(`{"type":"update","collection":"c","docId":"d","doc":`+doc, 2),
				`{"type":"delete","collection":"c","docId":"d"}`,
			}
			r.must(fmt.Sprint(dataOf(plain)) == fmt.Sprint(want), "it told %v", dataOf(plain))
			for i, data := range dataOf(rev) {
				r.must(strings.Contains(data, `"_rev":"`) == (i < 2), "with rev=1 it told %s", data)
			}
		},
	},
	{
		id: "stream/resume-exact", says: "after a cut, the last id brings exactly what was missed",
		check: func(r *trial) {
			c := rest{r, r.url}
			c.do("POST", dataPath, `{"collection":"c","docId":"d0","data":{}}`)
			w := r.stream("")
			w.untilDoc("d0")
			w.untilID()
			w.cut()
			for i := range 20 {
				c.do("POST", dataPath, fmt.Sprintf(`{"collection":"c","docId":"e%d","data":{}}`, i))
			}
			c.do("DELETE", dataPath+"/d0?collection=c", "")
			again := r.stream("cursor=garbage", "Last-Event-ID: "+w.lastID) // what was heard goes before the URL
			first, _ := again.next()
			r.must(first.id == w.lastID, "it opens with %+v", first)
			again.until("the delete", func(b told) bool { return b.Type == "delete" })
			again.untilID()
			r.must(len(dataOf(again)) == 21, "it told %s", again.story())
			docs := map[string]string{}
			foldInto(docs, append(w.seen, again.seen...))
			r.same(docs, again)
		},
	},
	{
		id: "stream/list-cursor", says: "a list and the stream from its Second-Cursor are exact together",
		check: func(r *trial) {
			c := rest{r, r.url}
			c.do("POST", dataPath, `{"collection":"c","docId":"d0","data":{}}`)
			a := c.do("GET", dataPath+"?collection=c", "")
			c.do("DELETE", dataPath+"/d0?collection=c", "")
			c.do("POST", dataPath, `{"collection":"c","docId":"d1","data":{}}`)
			w := r.stream("cursor=" + a.header.Get("Second-Cursor"))
			w.untilDoc("d1")
			w.untilID()
			docs := map[string]string{}
			for id, d := range docsOf(r, a.body) {
				docs["c/"+id] = d
			}
			foldInto(docs, w.seen)
			r.same(docs, w)
		},
	},
	{
		id: "stream/recent", says: "without a cursor it opens with the last seconds, each document in its latest state, as insert and update",
		check: func(r *trial) {
			c := rest{r, r.url}
			for _, followed := range []bool{false, true} { // from the database, and from the log
				if followed {
					r.stream("cursor=" + c.do("GET", dataPath+"?collection=c", "").header.Get("Second-Cursor")).untilID()
				}
				c.do("POST", dataPath, `{"collection":"c","docId":"d","data":{"n":0}}`)
				c.do("POST", dataPath, `{"collection":"c","docId":"gone","data":{}}`)
				for n := range 5 {
					c.do("PATCH", dataPath+"/d", fmt.Sprintf(`{"collection":"c","data":{"n":%d}}`, n+1))
				}
				c.do("DELETE", dataPath+"/gone?collection=c", "")
				last := r.dial()
				last.insert("c", "last", `{}`)
				last.until(protocol.TypeSettled) // the hub knows all
				w := r.stream("")
				w.untilID() // the opening's
				w.untilID()
				told := []string{}
				for _, b := range w.seen {
					if b.DocID == "d" || b.Doc != nil && idOf(b.Doc) == "d" {
						told = append(told, b.Type)
						r.must(strings.Contains(string(b.Doc), `"n":5`), "an older state came: %s", b.Doc)
					}
				}
				r.must(fmt.Sprint(told) == "[insert update]", "d came as %v", told)
				r.must(strings.Contains(w.story(), "delete gone"), "the delete did not come: %s", w.story())
				for _, id := range []string{"d", "last"} {
					c.do("DELETE", dataPath+"/"+id+"?collection=c", "")
				}
			}
		},
	},
	{
		id: "stream/ids-at-boundaries", says: "a transaction is never split by an id",
		check: func(r *trial) {
			w, p := r.stream(""), r.dial()
			w.untilID()
			for n := range 60 {
				var operations []protocol.Request
				for i := range 40 { // 40 x 2 KB: more than is told at once
					operations = append(operations, protocol.Request{Type: protocol.TypeUpsert, Collection: "c", DocID: fmt.Sprint("d", i), Data: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", 2000))})
				}
				p.do(protocol.Request{Type: protocol.TypeBatch, Operations: operations})
			}
			copied, ids := map[string]string{}, 0
			for last := false; !last; ids++ {
				from := len(w.seen)
				w.untilID()
				foldInto(copied, w.seen[from:])
				states := map[string]bool{}
				for _, d := range copied {
					n := d[strings.Index(d, `"n":`):strings.Index(d, `,"pad"`)]
					states[n], last = true, n == `"n":59`
				}
				r.must(len(states) <= 1, "at an id the copy holds parts of %d transactions", len(states))
			}
			r.must(ids > 1, "all came before one id")
		},
	},
	{
		id: "stream/heartbeat", says: "a quiet stream has a comment and an id each heartbeat",
		change: func(c *gateway.Config) { c.StreamHeartbeat = 50 * time.Millisecond },
		check: func(r *trial) {
			w := r.stream("")
			for range 3 {
				w.until("a heartbeat", func(b told) bool { return b.comment == "heartbeat" })
				w.untilID()
			}
		},
	},
	{
		id: "stream/scopes", says: "nothing of one scope reaches another, draft and published included",
		check: func(r *trial) {
			c := rest{r, r.url}
			draft, published := r.stream("version=draft"), r.stream("version=published")
			draft.untilID()
			published.untilID()
			for i := range 20 {
				c.do("POST", dataPath+"?version=draft", fmt.Sprintf(`{"collection":"c","docId":"draft%d","data":{}}`, i))
				c.do("POST", dataPath, fmt.Sprintf(`{"collection":"c","docId":"published%d","data":{}}`, i))
			}
			draft.untilDoc("draft19")
			published.untilDoc("published19")
			r.must(!strings.Contains(draft.story(), "published"), "the draft's stream told %s", draft.story())
			r.must(!strings.Contains(published.story(), "draft"), "the published stream told %s", published.story())
			w := r.stream("version=draft&cursor=" + published.lastID)
			w.until("the reset", func(b told) bool { return b.event == "reset" })
			w.untilID()
			r.must(!strings.Contains(w.story(), "published"), "a foreign cursor told %s", w.story())
		},
	},
	{
		id: "stream/hostile-text", says: "no text of a document ends a line of the stream",
		check: func(r *trial) {
			w := r.stream("")
			w.untilID()
			text := "a\r\nb\rc\nd\u2028e\u2029f\ufeffg\u0085h\ndata: x\n\nid: evil\n\nevent: reset"
			data := append(protocol.AppendString([]byte(`{"t":`), text), '}')
			p := r.dial()
			p.do(protocol.Request{Type: protocol.TypeInsert, Collection: "c\u2028", DocID: "d", Data: data})
			b := w.untilDoc("d")
			r.must(strings.HasPrefix(string(b.Doc), `{"_id":"d",`+string(data[1:len(data)-1])) && b.Collection == "c\u2028", "it came as %q", b.data)
			w.untilID()
			r.must(!strings.Contains(w.story(), "reset") && w.lastID != "evil", "it told %s", w.story())
			for _, b := range w.seen {
				r.must(b.event == "", "there is an event %q", b.event)
			}
		},
	},
	{
		id: "stream/away", says: "for a passing reason the stream answers 200, says when to come back, and closes; no id is lost",
		check: func(r *trial) {
			w := r.stream("")
			id := w.untilID()
			r.backend.away(1)
			again := r.stream("", "Last-Event-ID: "+id)
			first, ok := again.next()
			r.must(ok && again.status == 200 && first.retry != "" && first.id == "", "it answers %d, %+v", again.status, first)
			_, ok = again.next()
			r.must(!ok, "it goes on")
			third := r.stream("", "Last-Event-ID: "+id)
			r.must(third.untilID() == id, "it cannot be resumed after that")
		},
	},
	{
		id: "stream/refused", says: "what is wrong for good is refused with a status",
		check: func(r *trial) {
			for path, want := range map[string]string{
				"/api/workspaces/w/apps/x__draft/data/stream":     "400 invalid_id",
				"/api/workspaces/a%2Fb/apps/a/data/stream":        "400 invalid_id",
				"/api/workspaces/w/apps/a/data/stream/":           "404 not_found",
				"/api/workspaces/w/apps/a/data/%73tream":          "400 invalid_message", // a document of that name
				"/api/workspaces/w/apps/a/data/stream%2Fx?rev=%%": "400 invalid_message",
			} {
				r.must(r.get(path) == want, "%s answered %s, not %s", path, r.get(path), want)
			}
			c := rest{r, r.url}
			r.must(c.do("POST", dataPath+"/stream", "{}").status == 405, "it takes POST")
			r.must(c.do("GET", dataPath+"/stream", "", "Origin: http://evil.example").status == 403, "a strange page may listen")
		},
	},
	{
		id: "stream/slow-exact", says: "a reader that falls off the log is caught up from the database, exactly",
		change: func(c *gateway.Config) { c.LogBytes = 20_000 },
		check: func(r *trial) {
			w, p := r.stream(""), r.dial()
			w.untilID()
			for i := range 60 { // nothing is read meanwhile, and the log keeps far less
				p.insert("c", fmt.Sprint("d", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 8000)))
			}
			p.insert("c", "last", `{}`)
			w.untilDoc("last")
			w.untilID()
			r.must(!strings.Contains(w.story(), "reset"), "it was reset: %s", w.story())
			docs := map[string]string{}
			foldInto(docs, w.seen)
			r.same(docs, w)
		},
	},
	{
		id: "stream/given-up", says: "a reader that takes no byte for the stall time is dropped, and nobody else notices",
		change: func(c *gateway.Config) { c.Stall = 300 * time.Millisecond },
		check: func(r *trial) {
			stalled, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			require.NoError(r, err)
			defer func() { _ = stalled.Close() }()
			_, err = fmt.Fprintf(stalled, "GET %s/stream HTTP/1.1\r\nHost: %s\r\n\r\n", dataPath, strings.TrimPrefix(r.url, "http://"))
			require.NoError(r, err)
			p := r.dial()
			for i := range 60 { // 12 MB: more than kernel buffers take
				p.do(protocol.Request{Type: protocol.TypeUpsert, Collection: "c", DocID: fmt.Sprint("d", i), Data: []byte(`{"pad":"` + strings.Repeat("x", 200_000) + `"}`)})
			}
			time.Sleep(600 * time.Millisecond) // the stall itself: nothing is read meanwhile
			_ = stalled.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := io.Copy(io.Discard, stalled)
			r.must(err == nil || strings.Contains(err.Error(), "reset"), "after %d bytes it was not dropped: %v", n, err)
		},
	},
	{
		id: "stream/drain", says: "a gateway that stops says when to come back and ends every stream well",
		check: func(r *trial) {
			config := defaultConfig()
			config.Hosts = []string{"gate.test"}
			config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			g, err := gateway.New(r.ctx, r.harness.Open(r), config)
			require.NoError(r, err)
			server := httptest.NewServer(hostAs("gate.test", g.Handler(nil)))
			defer server.Close()
			var ws []*watch
			for range 5 {
				ws = append(ws, watchStream(r.T, r.ctx, server.URL+dataPath+"/stream"))
			}
			for _, w := range ws {
				w.untilID()
			}
			ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
			defer cancel()
			done := make(chan struct{})
			go func() { g.Shutdown(ctx); close(done) }()
			for _, w := range ws {
				for _, ok := w.next(); ok; _, ok = w.next() {
				}
				r.must(w.seen[len(w.seen)-1].retry != "", "it ended without a word: %s", w.story())
			}
			<-done
			r.must(ctx.Err() == nil, "it took too long")
			late := watchStream(r.T, r.ctx, server.URL+dataPath+"/stream")
			for _, ok := late.next(); ok; _, ok = late.next() {
			}
			r.must(late.status == 200 && late.seen[len(late.seen)-1].retry != "", "a late one got %d, %s", late.status, late.story())
		},
	},
	{
		id: "stream/http2", says: "the stream is the same over HTTP/2",
		check: func(r *trial) {
			config := defaultConfig()
			config.Hosts = []string{"gate.test"}
			config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			g, err := gateway.New(r.ctx, r.harness.Open(r), config)
			require.NoError(r, err)
			server := httptest.NewUnstartedServer(hostAs("gate.test", g.Handler(nil)))
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			defer g.Shutdown(r.ctx)
			q, err := http.NewRequestWithContext(r.ctx, http.MethodGet, server.URL+dataPath+"/stream", nil)
			require.NoError(r, err)
			answer, err := server.Client().Do(q)
			require.NoError(r, err)
			defer func() { _ = answer.Body.Close() }()
			line := make([]byte, 16)
			_, err = io.ReadFull(answer.Body, line)
			r.must(err == nil && answer.ProtoMajor == 2 && string(line) == "retry: 1000\nid: ", "%s began with %q", answer.Proto, line)
		},
	},
}

func dataOf(w *watch) (data []string) {
	for _, b := range w.seen {
		if b.data != "" {
			data = append(data, masked(b.data))
		}
	}
	return data
}

func TestStreamRules(t *testing.T) {
	for name, h := range restHarnesses() {
		t.Run(name, func(t *testing.T) { checkRules(t, h, slices.Concat(sseRules, sseResetRules)) })
	}
}
