package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

var streamRules = []rule{
	{
		id: "bookmark/after-answers", says: "no bookmark is sent before the stream has reached every answered read",
		check: func(r *trial) {
			writer, reader := r.dial(), r.dial()
			release := r.backend.holdFeed()
			writer.insert("c", "d1", `{"a":1}`)
			r.must(len(reader.list("c").Docs) == 1, "the list misses an acknowledged write")
			for _, m := range reader.quiet() {
				r.must(m.Type != protocol.TypeBookmark, "a bookmark came while the feed was held")
			}
			release()
			reader.until(protocol.TypeBookmark)
			r.must(strings.Contains(reader.story(), "change d1"), "the bookmark came before the change: %s", reader.story())
		},
	},
	{
		id: "reads/never-older", says: "while a read runs its connection's changes wait, so that no answer is older than what was sent",
		check: func(r *trial) {
			writer, reader := r.dial(), r.dial()
			release := r.backend.slowLists()
			_, err := reader.Send(r.ctx, protocol.Request{Type: protocol.TypeList, Collection: "c"})
			r.must(err == nil, "%v", err)
			<-r.backend.reads // the empty list has been read, and is on its way
			writer.insert("c", "d1", `{}`)
			writer.until(protocol.TypeSettled) // its change has been told to others
			release()
			reader.until(protocol.TypeList + protocol.ResponseSuffix)
			reader.until(protocol.TypeBookmark)
			r.must(copyOf("c", reader.seen)["d1"] != "", "the older answer took the change back: %s", reader.story())
		},
	},
	{
		id: "resume/exact", says: "after a cut, the cursor of the last bookmark brings exactly what was missed",
		check: func(r *trial) {
			writer, reader := r.dial(), r.dial()
			writer.insert("c", "d0", `{"n":0}`)
			reader.list("c")
			cursor := reader.until(protocol.TypeBookmark).Cursor
			reader.Cut()
			for i := range 20 {
				writer.insert("c", fmt.Sprint("e", i), `{"n":1}`)
			}
			writer.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "d0"})
			again := r.dial("cursor", cursor)
			r.must(again.Welcome.Resumed, "it was not resumed")
			again.catchUp(writer)
			docs := copyOf("c", append(reader.seen, again.seen...))
			r.sameAs(docs, writer)
		},
	},
	{
		id: "welcome/first", says: "nothing is sent before the welcome, however much happens while a client connects",
		change: func(c *gateway.Config) { c.LogBytes = 2_000 }, // so that most have to catch up from the database
		check: func(r *trial) {
			writer := r.dial()
			writer.insert("c", "d0", `{}`)
			cursor := writer.until(protocol.TypeBookmark).Cursor
			ctx, stop := context.WithCancel(r.ctx)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for ctx.Err() == nil {
					_, _ = writer.Call(r.ctx, protocol.Request{Type: protocol.TypeInsert, Collection: "c", Data: []byte(`{}`)})
				}
			}()
			dials := 60
			if testing.Short() { // the race detector makes each catch-up 16 times slower
				dials = 8
			}
			for range dials {
				c, err := client.Dial(r.ctx, client.URL(r.url, here, "cursor", cursor))
				r.must(err == nil, "%v", err)
				r.must(c.Welcome.Resumed, "it was not resumed")
				c.Cut()
			}
			stop()
			<-done
		},
	},
	{
		id: "resume/after-a-restart", says: "a cursor is good at another gateway of the same database",
		check: func(r *trial) {
			writer := r.dial()
			writer.insert("c", "d0", `{"n":0}`)
			cursor := writer.until(protocol.TypeBookmark).Cursor
			writer.insert("c", "d1", `{"n":1}`)
			other := *r
			other.url = serve(r.T, r.harness.Reopen(r, r.backend.Backend))
			again := other.dial("cursor", cursor)
			r.must(again.Welcome.Resumed, "it was not resumed")
			again.until(protocol.TypeBookmark)
			docs := copyOf("c", again.seen)
			r.must(len(docs) == 1 && docs["d1"] != "", "the missed change did not come: %s", again.story())
		},
	},
	{
		id: "resume/foreign-cursor", says: "a cursor that cannot be resumed is told by welcome and a reset, and the stream goes on",
		check: func(r *trial) {
			for _, cursor := range []string{"garbage", "AQID", strings.Repeat("A", 5000), protocol.EncodeCursor(here, []byte("nonsense"))} {
				p := r.dial("cursor", cursor)
				r.must(!p.Welcome.Resumed, "garbage was resumed")
				reset := p.until(protocol.TypeReset)
				r.must(reset.Reason == protocol.ResetExpired, "the reason is %q", reset.Reason)
				p.do(protocol.Request{Type: protocol.TypeUpsert, Collection: "c", DocID: "d", Data: []byte(`{}`)})
				p.until(protocol.TypeSettled)
				r.must(strings.Contains(p.story(), "change d"), "the stream does not go on: %s", p.story())
			}
		},
	},
	{
		id: "resume/expired", says: "a cursor older than the history is reset, never silently continued",
		check: func(r *trial) {
			writer := r.dial()
			writer.insert("c", "d0", `{}`)
			cursor := writer.until(protocol.TypeBookmark).Cursor
			writer.Cut()
			quiet := r.dialScope(protocol.Scope{Workspace: "w", App: "other"}) // the log of our scope goes
			other := *r
			other.url = serve(r.T, r.harness.Reopen(r, r.backend.Backend))
			quiet.insert("c", "x", `{}`)
			w := other.dial()
			w.insert("c", "d1", `{}`)
			r.harness.Forget(r, r.backend.Backend)
			w.insert("c", "d2", `{}`)
			third := *r
			third.url = serve(r.T, r.harness.Reopen(r, r.backend.Backend))
			p := third.dial("cursor", cursor)
			r.must(!p.Welcome.Resumed, "an expired cursor was resumed")
			p.until(protocol.TypeReset)
		},
	},
	{
		id: "bookmark/after-catch-up", says: "a bookmark after a catch-up is not older than what that told, although the hub has not heard of it yet",
		change: func(c *gateway.Config) { c.LogBytes = 3000 },
		check: func(r *trial) {
			p := r.dial()
			p.list("c")
			from := p.until(protocol.TypeBookmark).Cursor
			for i := range 20 { // the log forgets the place
				p.insert("c", fmt.Sprint("d", i), `{"pad":"`+strings.Repeat("x", 500)+`"}`)
			}
			p.quiet()
			release := r.backend.holdFeed()
			defer release()
			p.insert("c", "late", `{}`)
			again := r.dial("cursor", from)
			r.must(again.Welcome.Resumed, "it was not resumed")
			at := again.until(protocol.TypeBookmark).Cursor
			r.must(copyOf("c", again.seen)["late"] != "", "the catch-up did not go beyond the hub: this shows nothing")
			raw, err := protocol.DecodeCursor(here, at)
			require.NoError(r, err)
			cursor, err := r.backend.Cursor(r.ctx, raw)
			require.NoError(r, err)
			rest, err := r.backend.Since(r.ctx, here, cursor, 0)
			require.NoError(r, err)
			for _, c := range rest.Changes {
				r.must(c.Ref.ID != "late", "the bookmark is from before what was told")
			}
		},
	},
	{
		id: "slow/exact", says: "a client that falls off the log is caught up from the database, exactly",
		change: func(c *gateway.Config) { c.LogBytes = 20_000 },
		check: func(r *trial) {
			writer, reader := r.dial(), r.dial()
			reader.list("c")
			cursor := reader.until(protocol.TypeBookmark).Cursor
			reader.Cut()
			for i := range 60 { // far more than the log keeps
				writer.insert("c", fmt.Sprint("d", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat("x", 1000)))
			}
			again := r.dial("cursor", cursor)
			r.must(again.Welcome.Resumed, "it was not resumed")
			again.catchUp(writer)
			r.sameAs(copyOf("c", append(reader.seen, again.seen...)), writer)
		},
	},
	{
		id: "reset/too-much", says: "a scope that changes by more than a batch may hold is reset, and goes on",
		check: func(r *trial) {
			writer, reader := r.dial(), r.dial()
			var operations []protocol.Request
			for i := range 9 { // 9 x 0.98 MB: more than one batch may tell of a scope
				operations = append(operations, protocol.Request{Type: protocol.TypeInsert, Collection: "c", DocID: fmt.Sprint("d", i), Data: fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 400_000))})
			}
			release := r.backend.holdFeed()
			writer.do(protocol.Request{Type: protocol.TypeBatch, Operations: operations})
			for i := range operations {
				operations[i].DocID = fmt.Sprint("e", i)
			}
			writer.do(protocol.Request{Type: protocol.TypeBatch, Operations: operations})
			release()
			m := reader.next()
			for m.Type == protocol.TypeChange || m.Type == protocol.TypeBookmark { // two batches may come apart
				m = reader.next()
			}
			r.must(m.Type == protocol.TypeReset || len(reader.seen) > 18, "the reader saw %s", reader.story())
			reader.list("c")
			writer.insert("c", "last", `{}`)
			reader.until(protocol.TypeBookmark)
		},
	},
	{
		id: "reset/lost", says: "when the database has lost changes every copy of the scope is void",
		check: func(r *trial) {
			writer, reader := r.dial(), r.dial()
			r.backend.loseNext()
			writer.insert("c", "d1", `{}`)
			reset := reader.until(protocol.TypeReset)
			r.must(reset.Reason == protocol.ResetLost, "the reason is %q", reset.Reason)
			writer.until(protocol.TypeSettled) // by the reset that voids its changes
			writer.insert("c", "d2", `{}`)
			r.must(reader.until(protocol.TypeChange).DocID == "d2", "the stream did not go on")
		},
	},
	{
		id: "bookmark/heartbeat", says: "a quiet connection gets a bookmark each heartbeat",
		change: func(c *gateway.Config) { c.Heartbeat = 50 * time.Millisecond },
		check: func(r *trial) {
			p := r.dial()
			r.must(p.Welcome.HeartbeatMS == 50, "welcome says %d ms", p.Welcome.HeartbeatMS)
			first, second := p.until(protocol.TypeBookmark), p.until(protocol.TypeBookmark)
			r.must(first.Cursor != "" && second.Cursor != "", "a bookmark lacks its cursor")
		},
	},
	{
		id: "scopes/isolated", says: "nothing of one scope ever reaches another",
		check: func(r *trial) {
			scopes := []protocol.Scope{here, {Workspace: "w", App: "a", Draft: true}, {Workspace: "w", App: "b"}, {Workspace: "v", App: "a"}}
			var peers []*peer
			for _, s := range scopes {
				peers = append(peers, r.dialScope(s))
			}
			for i := range 20 {
				for n, p := range peers {
					p.insert("c", fmt.Sprintf("d%d", i), fmt.Sprintf(`{"scope":%d}`, n))
				}
			}
			for n, p := range peers {
				own := fmt.Sprintf(`"scope":%d`, n)
				for settled := 0; settled < 20; settled = strings.Count(p.story(), "settled") {
					p.next()
				}
				for _, doc := range p.list("c").Docs {
					r.must(strings.Contains(string(doc), own), "a list of another scope's %s", doc)
				}
				for _, m := range p.seen {
					r.must(m.Type != protocol.TypeChange || strings.Contains(string(m.Doc), own), "a change of another scope: %s", m.Doc)
				}
			}
		},
	},
	{
		id: "outside/appears", says: "what anyone else commits to the database reaches every client",
		check: func(r *trial) {
			p := r.dial()
			ref := protocol.Ref{Scope: here, Collection: "c", ID: "outside"}
			r.harness.Outside(r, r.backend.Backend).Do(r, true, stepInsert(ref, `{"b":1, "a":1.0}`))
			m := p.until(protocol.TypeChange)
			r.must(m.DocID == "outside" && strings.HasPrefix(string(m.Doc), `{"_id":"outside","a":1,"b":1,`), "it came as %s", m.Doc)
			p.until(protocol.TypeBookmark)
		},
	},
}

// catchUp reads until the last of the writer's documents has come, and the bookmark after it.
func (p *peer) catchUp(writer *peer) {
	p.r.Helper()
	writer.insert("c", "last", `{}`)
	for p.until(protocol.TypeChange).DocID != "last" {
	}
	p.until(protocol.TypeBookmark)
}

// sameAs wants a copy to be what the writer lists.
func (r *trial) sameAs(docs map[string]string, writer *peer) {
	r.Helper()
	want := copyOf("c", []protocol.Received{writer.list("c")})
	if !maps.Equal(docs, want) {
		require.Equal(quietly{r.T}, want, docs)
		r.broken("the copy has %d documents, the database %d", len(docs), len(want))
	}
}
