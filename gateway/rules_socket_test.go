package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// socketRules are what a client of the socket cannot bring about by itself.
var socketRules = []gatewayRule{
	{
		ID:   "bookmark/after-answers",
		Says: "no bookmark is sent before the stream has reached every answered read",
		Check: func(r *trial) {
			r.serve()
			writer, reader := r.dial(), r.dial()
			release := r.backend.holdFeed()
			writer.insert("c", "d1", `{"a":1}`)
			r.must(len(reader.list("c").Docs) == 1, "the list misses an acknowledged write")
			for _, m := range reader.quiet() {
				r.must(m.Type != protocol.TypeBookmark, "a bookmark came while the feed was held")
			}
			release()
			reader.until(protocol.TypeBookmark)
			r.must(
				strings.Contains(reader.story(), "change d1"), "the bookmark came before the change: %s", reader.story(),
			)
		},
	},
	{
		ID: "reads/never-older",
		Says: "while a read runs its connection's changes wait, so that no answer is older than " +
			"what was sent",
		Check: func(r *trial) {
			r.serve()
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
		ID:   "writes/settled",
		Says: "a write is settled once, after its answer, its changes and their bookmark",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.Heartbeat = 30 * time.Millisecond })
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
		ID: "bookmark/after-catch-up",
		Says: "a bookmark after a catch-up is not older than what that told, although the hub has " +
			"not heard of it yet",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.LogBytes = 3000 })
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
		ID:   "resume/after-a-restart",
		Says: "a cursor is good at another gateway of the same database",
		Check: func(r *trial) {
			r.serve()
			writer := r.dial()
			writer.insert("c", "d0", `{"n":0}`)
			cursor := writer.until(protocol.TypeBookmark).Cursor
			writer.insert("c", "d1", `{"n":1}`)
			other := *r
			other.url = r.serveOver(r.harness.Reopen(r, r.backend.Backend))
			again := other.dial("cursor", cursor)
			r.must(again.Welcome.Resumed, "it was not resumed")
			again.until(protocol.TypeBookmark)
			docs := copyOf("c", again.seen)
			r.must(len(docs) == 1 && docs["d1"] != "", "the missed change did not come: %s", again.story())
		},
	},
	{
		ID:   "resume/expired",
		Says: "a cursor older than the history is reset, never silently continued",
		Check: func(r *trial) {
			r.serve()
			writer := r.dial()
			writer.insert("c", "d0", `{}`)
			cursor := writer.until(protocol.TypeBookmark).Cursor
			writer.Cut()
			quiet := r.dialScope(protocol.Scope{Workspace: "w", App: "other"}) // the log of our scope goes
			other := *r
			other.url = r.serveOver(r.harness.Reopen(r, r.backend.Backend))
			quiet.insert("c", "x", `{}`)
			w := other.dial()
			w.insert("c", "d1", `{}`)
			r.harness.Forget(r, r.backend.Backend)
			w.insert("c", "d2", `{}`)
			third := *r
			third.url = r.serveOver(r.harness.Reopen(r, r.backend.Backend))
			p := third.dial("cursor", cursor)
			r.must(!p.Welcome.Resumed, "an expired cursor was resumed")
			p.until(protocol.TypeReset)
		},
	},
	{
		ID:   "slow/exact",
		Says: "a client that falls off the log is caught up from the database, exactly",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.LogBytes = 20_000 })
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
		ID:   "reset/too-much",
		Says: "a scope that changes by more than a batch may hold is reset, and goes on",
		Check: func(r *trial) {
			r.serve()
			writer, reader := r.dial(), r.dial()
			var operations []protocol.Request
			for i := range 9 { // 9 x 0.98 MB: more than one batch may tell of a scope
				operations = append(
					operations,
					protocol.Request{
						Type: protocol.TypeInsert, Collection: "c", DocID: fmt.Sprint("d", i),
						Data: fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 400_000)),
					},
				)
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
		ID:   "reset/lost",
		Says: "when the database has lost changes every copy of the scope is void",
		Check: func(r *trial) {
			r.serve()
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
		ID:   "scopes/isolated",
		Says: "nothing of one scope ever reaches another",
		Check: func(r *trial) {
			r.serve()
			scopes := []protocol.Scope{
				here, {Workspace: "w", App: "a", Draft: true}, {Workspace: "w", App: "b"}, {Workspace: "v", App: "a"},
			}
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
					r.must(
						m.Type != protocol.TypeChange || strings.Contains(string(m.Doc), own), "a change of another scope: %s",
						m.Doc,
					)
				}
			}
		},
	},
	{
		ID:   "outside/appears",
		Says: "what anyone else commits to the database reaches every client",
		Check: func(r *trial) {
			r.serve()
			p := r.dial()
			ref := protocol.Ref{Scope: here, Collection: "c", ID: "outside"}
			r.harness.Outside(r, r.backend.Backend).Do(r, true, stepInsert(ref, `{"b":1, "a":1.0}`))
			m := p.until(protocol.TypeChange)
			r.must(
				m.DocID == "outside" && strings.HasPrefix(string(m.Doc), `{"_id":"outside","a":1,"b":1,`),
				"it came as %s", m.Doc,
			)
			p.until(protocol.TypeBookmark)
		},
	},
	{
		ID:   "list/pages",
		Says: "a long list is cut, and its pages together are the collection",
		Check: func(r *trial) {
			r.serve()
			p := r.dial()
			for i := range 3 {
				var operations []protocol.Request
				for n := range 10 {
					operations = append(
						operations,
						protocol.Request{
							Type: protocol.TypeInsert, Collection: "c", DocID: fmt.Sprintf("d%d-%d", i, n),
							Data: fmt.Appendf(nil, `{"pad":%q}`, strings.Repeat("x", 60_000)),
						},
					)
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
	{
		ID:   "subscribe/bounded",
		Says: "a connection that subscribes to too much is refused, and goes on",
		Check: func(r *trial) {
			r.serve()
			p := r.dial("changes", "none")
			for i := range 10_000 {
				_, err := p.Send(r.ctx, subscribe("c", fmt.Sprint("d", i), ""))
				r.must(err == nil, "%v", err)
				if i%32 == 31 {
					p.do(protocol.Request{Type: protocol.TypePing})
				}
			}
			r.must(
				p.refused(subscribe("c", "one-more", "")) == protocol.CodeTooLarge, "it was refused with another code",
			)
			p.do(protocol.Request{Type: protocol.TypeUnsubscribe, Collection: "c", DocID: "d7"})
			p.do(subscribe("c", "one-more", ""))
		},
	},
}
