package wire

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// pace is how long busy rests after each batch.
const pace = 2 * time.Millisecond

// busy writes beside a rule until stop is called: n rising in the documents d0, d1, …, one batch
// after the other, so that all of them have one n in every snapshot. It leaves time between them:
// whoever reads must be able to keep up, on a slow machine too, or a rule would wait for the end of
// what it is behind.
func (r *trial) busy(collection string, documents int, pad string) (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	var writer sync.WaitGroup
	c := r.dial("changes", "none")
	r.Cleanup(cancel)
	writer.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			q := batch()
			for i := range documents {
				q.Operations = append(
					q.Operations, upsert(collection, fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d,"pad":%q}`, n, pad)),
				)
			}
			if m, err := c.Call(r.ctx, q); err != nil || m.Error != nil {
				r.Errorf("a write beside the rule failed: %v %+v", err, m.Error)
				return
			}
			time.Sleep(pace)
		}
	})
	return func() {
		cancel()
		writer.Wait()
	}
}

// exact wants a copy to be what the database holds.
func (r *trial) exact(what string, copied map[string]string, want map[string]string) {
	if maps.Equal(copied, want) {
		return
	}
	for id, d := range want {
		if copied[id] != d {
			r.Fatalf("%s: got %s as %s want %s", what, id, show(cmp.Or(copied[id], "missing")), show(d))
		}
	}
	for id := range copied {
		if _, there := want[id]; !there {
			r.Fatalf("%s: got %s, which is not there", what, id)
		}
	}
}

var readRules = []Rule{
	{
		ID:   "ws/read-holds-changes",
		Says: "no answer is older than the changes that were sent before it",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			q := batch()
			for i := range 100 { // what makes a list take its time
				q.Operations = append(
					q.Operations, insert(c, fmt.Sprint("filler", i), fmt.Sprintf(`{"pad":%q}`, strings.Repeat(pad, 30))),
				)
			}
			p.do(q)
			p.upsert(c, "d0", `{"n":0}`)
			stop := r.busy(c, 1, "")
			defer stop()
			newest := 0
			for range 60 {
				id := p.send(list(c))
				for {
					m := p.next()
					if m.Type == protocol.TypeChange && m.Collection == c {
						newest = max(newest, stamp(m.Doc).N)
					}
					if m.RequestID == id {
						r.must(len(m.Docs) > 0, "the list is empty")
						got := stamp(m.Docs[0]).N // the newest: d0
						r.must(got >= newest, "an answer takes a change back: got n=%d after n=%d had been sent", got, newest)
						newest = got
						break
					}
				}
			}
		},
	},
	{
		ID: "ws/bookmark-after-answer",
		Says: "no bookmark comes before the stream has reached every answered read: its cursor " +
			"brings nothing that the answer held",
		Check: func(r *trial) {
			c, writer := r.named("notes"), r.dial("changes", "none")
			for n := range 25 {
				reader := r.dial()
				writer.upsert(c, "a", fmt.Sprintf(`{"n":%d}`, n))
				answer := reader.do(list(c))
				r.must(
					len(answer.Docs) == 1 && stamp(answer.Docs[0]).N == n, "the list misses an acknowledged write: got %s",
					answer.Docs,
				)
				cursor := reader.bookmark()
				again := r.dial("cursor", cursor)
				r.want("resumed", again.Welcome.Resumed, true)
				again.reach(writer, c)
				for _, m := range again.changes(c, 0) {
					r.must(
						string(m.Doc) != string(answer.Docs[0]),
						"the bookmark after an answer is older than the answer: resumed from it, %s comes once more", m.Doc,
					)
				}
				writer.delete(c, "last")
				reader.Cut()
				again.Cut()
			}
		},
	},
	{
		ID: "ws/bookmark-soon",
		Says: "a bookmark comes as soon as the stream has reached an answered read, and after every " +
			"change",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			soon := time.Duration(p.Welcome.HeartbeatMS) * time.Millisecond
			for i := range 5 {
				begun := time.Now()
				p.do(list(c))
				p.bookmark()
				p.send(upsert(c, "a", fmt.Sprintf(`{"n":%d}`, i)))
				p.change(c, "a")
				p.bookmark()
				took := time.Since(begun)
				r.must(took < max(soon, r.target.wait()), "two bookmarks took %v: they wait for something", took)
			}
		},
	},
	{
		ID:   "ws/bookmark-whole-transactions",
		Says: "no bookmark comes inside a transaction's changes",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			stop := r.busy(c, 20, pad+pad+pad+pad+pad)
			defer stop()
			copied, states := map[string]string{}, map[int]bool{}
			for from := 0; len(states) < 25; from = len(p.seen) {
				p.bookmark()
				fold(copied, c, p.seen[from:])
				r.oneState(copied)
				for _, d := range copied {
					states[stamp([]byte(d)).N] = true
				}
			}
		},
	},
	{
		ID:   "ws/bookmark-exact",
		Says: "at a bookmark, list and changes together are the database, whatever happened meanwhile",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			stop := r.busy(c, 7, "")
			copied := map[string]string{}
			for range 10 {
				p.do(list(c))
				p.bookmark()
			}
			stop()
			last := r.dial("changes", "none")
			last.delete(c, "d3")
			last.insert(c, "last", `{}`)
			p.change(c, "last")
			p.bookmark()
			fold(copied, c, p.seen)
			r.exact("the copy at a bookmark", copied, last.listed(c))
		},
	},
	{
		ID:   "ws/bookmark-heartbeat",
		Says: "a quiet connection gets a bookmark each heartbeat",
		Check: func(r *trial) {
			begun, all, none := time.Now(), r.dial(), r.dial("changes", "none")
			beat := time.Duration(all.Welcome.HeartbeatMS) * time.Millisecond
			for _, p := range []*peer{all, none} {
				for beaten := false; !beaten; { // a bookmark at the beginning comes for another reason
					m := p.nextWithin(heartbeatTime(beat))
					beaten = m.Type == protocol.TypeBookmark && time.Since(begun) >= beat/2
					r.must(
						m.Type != protocol.TypeBookmark || m.Cursor != "" && len(m.Cursor) <= protocol.MaxCursor,
						"cursor: got %d characters want 1 to %d", len(m.Cursor), protocol.MaxCursor,
					)
				}
			}
		},
	},
	{
		ID: "ws/write-visible",
		Says: "an answered write is seen by every read that begins later, on any connection and " +
			"transport",
		Check: func(r *trial) {
			c, writer, reader := r.named("notes"), r.dial(), r.dial("changes", "none")
			for n := range 20 {
				written := string(writer.upsert(c, "a", fmt.Sprintf(`{"n":%d}`, n)).Doc)
				r.want("read by another connection", string(reader.do(doc(c, "a")).Doc), written)
				r.want("list by another connection", reader.list(c), []string{written})
				r.want(
					"read over REST", docOf(r.rest("GET", r.dataURL("a", "collection", c, "rev", "1"), "").Body), written,
				)
			}
		},
	},
}

// oneState wants all documents of busy to be of one transaction.
func (r *trial) oneState(copied map[string]string) {
	states := map[int]bool{}
	for _, d := range copied {
		states[stamp([]byte(d)).N] = true
	}
	r.must(len(states) <= 1, "a copy holds parts of %d transactions", len(states))
}

// rest makes one HTTP request.
func (r *trial) rest(method, address, body string, headers ...string) client.Reply {
	ctx, cancel := context.WithTimeout(r.ctx, r.target.wait())
	defer cancel()
	a, err := client.Do(ctx, method, address, body, headers...)
	r.must(err == nil, "%s %s: %v", method, address, err)
	return a
}

// dataURL is where a document of the rule's scope is, or its documents are.
func (r *trial) dataURL(docID string, parameters ...string) string {
	return client.DataURL(r.target.URL, r.scope, docID, parameters...)
}
