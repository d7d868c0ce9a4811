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
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// streamRules are what a client of the event stream cannot bring about by itself.
var streamRules = []gatewayRule{
	{
		ID: "stream/away",
		Says: "for a passing reason the stream answers 200, says when to come back, and closes; no " +
			"id is lost",
		Check: func(r *trial) {
			r.serve()
			w := r.stream("")
			id := w.untilID()
			r.backend.away(1)
			again := r.stream("", "Last-Event-ID: "+id)
			first, ok := again.next()
			r.must(
				ok && again.status == 200 && first.retry != "" && first.id == "", "it answers %d, %+v", again.status,
				first,
			)
			_, ok = again.next()
			r.must(!ok, "it goes on")
			third := r.stream("", "Last-Event-ID: "+id)
			r.must(third.untilID() == id, "it cannot be resumed after that")
		},
	},
	{
		ID:   "stream/slow-exact",
		Says: "a reader that falls off the log is caught up from the database, exactly",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.LogBytes = 20_000 })
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
		ID:   "stream/given-up",
		Says: "a reader that takes no byte for the stall time is dropped, and nobody else notices",
		Check: func(r *trial) {
			dropped := r.serveStalling("stream")
			stalled, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			require.NoError(r, err)
			defer func() { _ = stalled.Close() }()
			_, err = fmt.Fprintf(
				stalled, "GET %s/stream HTTP/1.1\r\nHost: %s\r\n\r\n", dataPath, strings.TrimPrefix(r.url, "http://"),
			)
			require.NoError(r, err)
			p := r.dial()
			for i := range 60 { // 12 MB: more than kernel buffers take
				p.do(
					protocol.Request{
						Type: protocol.TypeUpsert, Collection: "c", DocID: fmt.Sprint("d", i),
						Data: []byte(`{"pad":"` + strings.Repeat("x", 200_000) + `"}`),
					},
				)
			}
			dropped(0) // nothing is read meanwhile
			_ = stalled.SetReadDeadline(time.Now().Add(time.Minute))
			n, err := io.Copy(io.Discard, stalled)
			r.must(
				err == nil || strings.Contains(err.Error(), "reset"), "after %d bytes it was not dropped: %v", n, err,
			)
		},
	},
	{
		ID:   "stream/drain",
		Says: "a gateway that stops says when to come back and ends every stream well",
		Check: func(r *trial) {
			config := r.config()
			config.Hosts = []string{"gate.test"}
			config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			g, err := gateway.New(r.ctx, r.harness.Open(r), config)
			require.NoError(r, err)
			server := httptest.NewServer(hostAs("gate.test", g.Handler(nil)))
			defer server.Close()
			var ws []*eventStream
			for range 5 {
				ws = append(ws, openStream(r, r.ctx, server.URL+dataPath+"/stream"))
			}
			for _, w := range ws {
				w.untilID()
			}
			ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
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
			late := openStream(r, r.ctx, server.URL+dataPath+"/stream")
			for _, ok := late.next(); ok; _, ok = late.next() {
			}
			r.must(
				late.status == 200 && late.seen[len(late.seen)-1].retry != "", "a late one got %d, %s", late.status,
				late.story(),
			)
		},
	},
	{
		ID:   "stream/http2",
		Says: "the stream is the same over HTTP/2",
		Check: func(r *trial) {
			config := r.config()
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
			r.must(
				err == nil && answer.ProtoMajor == 2 && string(line) == "retry: 1000\nid: ", "%s began with %q",
				answer.Proto, line,
			)
		},
	},
	{
		ID:   "stream/reset-shared",
		Says: "many that are reset at once share what is read",
		Check: func(r *trial) {
			r.serve()
			p := r.dial()
			for i := range 100 {
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 2000)+`"}`)
			}
			before := r.backend.calls()
			release := r.backend.slowLists() // until all wait for the same page
			var all []*eventStream
			for range 20 {
				s := r.stream("cursor=garbage")
				s.next() // its opening
				all = append(all, s)
			}
			release()
			for _, s := range all {
				s.untilID()
			}
			reads := r.backend.calls() - before
			r.must(reads < 80, "%d reads for 20 streams of 8 pages", reads)
		},
	},
	{
		ID:   "stream/reset-live",
		Says: "when the database has lost changes the stream is reset, tells all again, and goes on",
		Check: func(r *trial) {
			r.serve()
			c := rest{r, r.url}
			c.do("POST", dataPath, `{"collection":"c","docId":"d0","data":{}}`)
			w := r.stream("")
			w.untilDoc("d0")
			w.untilID() // the first came before the last seconds; from this one on it is live
			r.backend.loseNext()
			c.do("POST", dataPath, `{"collection":"c","docId":"d1","data":{}}`)
			reset := w.until("the reset", func(b event) bool { return b.event == "reset" })
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
		ID:   "stream/reset-gone",
		Says: "after too many changes, what was deleted meanwhile is told as well",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.LogBytes = 20_000 })
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
			reset := again.until("the reset", func(b event) bool { return b.event == "reset" })
			r.must(reset.Reason == protocol.ResetTooMuch, "the reason is %q", reset.Reason)
			again.untilID()
			docs := map[string]string{}
			foldInto(docs, append(w.seen, again.seen...))
			r.same(docs, again)
		},
	},
	{
		ID: "stream/reset-gone-expired",
		Says: "after a cursor that has expired, what the history still knows to be deleted is told " +
			"as well",
		Check: func(r *trial) {
			r.serve()
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
			reset := again.until("the reset", func(b event) bool { return b.event == "reset" })
			r.must(reset.Reason == protocol.ResetExpired, "the reason is %q", reset.Reason)
			again.untilID()
			docs := map[string]string{}
			foldInto(docs, append(w.seen, again.seen...))
			r.same(docs, again)
		},
	},
	{
		ID:   "stream/gone-at-once",
		Says: "what was deleted is told although the stream then waits, and to nobody else",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.StreamHeartbeat = time.Minute }) // it would flush the delete
			p := r.dial()
			p.insert("c", "gone", `{}`)
			p.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "gone"})
			p.insert("c", "d0", `{}`)
			p.until(protocol.TypeSettled)
			r.stream("").untilDoc("d0") // the feed has told all that
			release := r.backend.holdFeed()
			p.insert(
				"c", "d1", `{}`,
			) // the replay holds it, and the stream has to wait for the feed
			soon, cancel := context.WithTimeout(r.ctx, 30*time.Second) // long before a heartbeat
			defer cancel()
			w := openStream(r, soon, r.url+dataPath+"/stream?cursor=garbage")
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

func (r *trial) stream(query string, headers ...string) *eventStream {
	r.Helper()
	return openStream(r, r.ctx, r.url+dataPath+"/stream?"+query, headers...)
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

func (r *trial) same(docs map[string]string, w *eventStream) {
	r.Helper()
	if want := r.all(); !maps.Equal(docs, want) {
		require.Equal(logOnly{r}, want, docs)
		r.broken("the copy has %d documents, the database %d; seen: %.2000s", len(docs), len(want), w.story())
	}
}
