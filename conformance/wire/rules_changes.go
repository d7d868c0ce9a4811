package wire

import (
	"fmt"
	"slices"

	"github.com/secondgate/secondgate/protocol"
)

var changeRules = []Rule{
	{
		ID: "ws/change-shape",
		Says: "a change names collection, operation and docId, and carries the document as the " +
			"write's answer did, but for a delete",
		Check: func(r *trial) {
			c, writer, p := r.named("notes"), r.dial(), r.dial()
			for _, step := range []struct {
				q         protocol.Request
				operation string
			}{
				{insert(c, "a", `{"b":1,"a":[true,null]}`), "insert"}, {update(c, "a", `{"b":2}`), "update"},
				{remove(c, "a"), "delete"},
			} {
				answer := writer.do(step.q)
				for _, who := range []*peer{p, writer} { // the writer hears of it like everyone else
					m := who.change(c, "a")
					r.want("operation", m.Operation, step.operation)
					r.want("doc of the "+step.operation, string(m.Doc), string(answer.Doc))
					who.bookmark()
				}
			}
		},
	},
	{
		ID:   "ws/changes-per-document-order",
		Says: "the changes of one document come in commit order, and its last state is told",
		Check: func(r *trial) {
			c, writer, p := r.named("notes"), r.dial("changes", "none"), r.dial()
			const writes = 150
			for n := 1; n <= writes; n++ {
				q := upsert(c, "a", fmt.Sprintf(`{"n":%d}`, n))
				if n%10 == 9 {
					q = remove(c, "a")
				}
				writer.send(q)
				if n%30 == 0 {
					writer.do(protocol.Request{Type: protocol.TypePing})
				}
			}
			for newest := 0; newest < writes; {
				m := p.change(c, "a")
				if m.Operation == "delete" {
					continue
				}
				n := stamp(m.Doc).N
				r.must(n > newest || n == newest && newest > 0, "order: got n=%d after n=%d", n, newest)
				newest = n
			}
			p.bookmark()
		},
	},
	{
		ID:   "ws/changes-everything",
		Says: "every state that lasts is told to every follower: nothing is lost, whoever wrote it",
		Check: func(r *trial) {
			c, writers := r.named("notes"), []*peer{r.dial("changes", "none"), r.dial("changes", "none"), r.dial()}
			followers := []*peer{r.dial(), r.dial(), writers[2]}
			for i := range 90 {
				writers[i%3].send(insert(c, fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d}`, i)))
				if i%3 == 2 && i%4 > 0 {
					writers[1].do(remove(c, fmt.Sprint("d", i-1)))
				}
			}
			for _, w := range writers {
				w.do(protocol.Request{Type: protocol.TypePing})
			}
			writers[0].insert(c, "last", `{}`)
			want := writers[0].listed(c)
			for _, p := range followers {
				p.change(c, "last")
				p.bookmark()
				copied := map[string]string{}
				fold(copied, c, p.seen)
				r.exact("a follower's copy", copied, want)
			}
		},
	},
	{
		ID: "ws/settled-once",
		Says: "a write is settled once, after its answer, its changes and their bookmark; replays " +
			"and batches too, refusals never",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			p.insert(c, "z", `{}`)
			from := len(p.seen)
			mutation := "settled-" + r.mark
			var asked []string
			for _, q := range []protocol.Request{
				insert(c, "a", `{}`), update(c, "a", `{"n":1}`), upsert(c, "a", `{"n":2}`), batch(
					insert(c, "b", `{}`), remove(c, "z"),
				),
				under(insert(c, "m", `{}`), mutation), under(insert(c, "m", `{}`), mutation), remove(c, "a"),
			} {
				m := p.do(q)
				asked = append(asked, m.RequestID)
				p.settled(m.RequestID)
			}
			bad := p.refused(protocol.CodeNotFound, remove(c, "none"))
			p.settled(p.insert(c, "last", `{}`).RequestID)
			p.bookmark()
			for _, id := range asked {
				r.settlement(p.seen[from:], id, c)
			}
			r.want("settlements of a refused write", len(p.positions(bad.RequestID, protocol.TypeSettled)), 0)
		},
	},
	{
		ID:   "ws/settled-after-bookmark",
		Says: "between a write's change and its settlement stands a bookmark",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			stop := r.busy(r.named("other"), 1, "") // so that p is written to while its own changes are on their way
			defer stop()
			for n := range 60 {
				from := len(p.seen)
				m := p.upsert(c, "a", fmt.Sprintf(`{"n":%d}`, n))
				p.settled(m.RequestID)
				at := len(p.seen) - 1
				change := slices.IndexFunc(p.seen[from:], func(m protocol.Received) bool {
					return m.Type == protocol.TypeChange && m.Collection == c && stamp(m.Doc).N == n
				})
				r.must(change >= 0, "write %d was settled before its change; seen: %s", n, p.story())
				r.must(
					slices.ContainsFunc(
						p.seen[from+change:at], func(m protocol.Received) bool { return m.Type == protocol.TypeBookmark },
					),
					"write %d was settled before the bookmark of its change; seen: %s",
					n,
					p.story(),
				)
			}
		},
	},
	{
		ID:   "ws/settled-followed-only",
		Says: "with changes=none a write is settled only where its document is followed",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			quiet := p.insert(c, "a", `{}`).RequestID
			p.do(subscribe(c, "b", ""))
			p.settled(p.insert(c, "b", `{}`).RequestID)
			p.do(unsubscribe(c, "b"))
			left := p.upsert(c, "b", `{}`).RequestID
			p.do(subscribe(c, "", ""))
			p.settled(p.insert(c, "last", `{}`).RequestID)
			for _, id := range []string{quiet, left} {
				r.want("settlements of a write that nobody followed", len(p.positions(id, protocol.TypeSettled)), 0)
			}
		},
	},
}

// settlement wants one settled of the request, after its answer.
func (r *trial) settlement(seen []protocol.Received, id, collection string) {
	answered, settled := -1, 0
	for i, m := range seen {
		switch {
		case m.RequestID != id:
		case m.Type == protocol.TypeSettled:
			settled++
			r.must(answered >= 0, "request %s was settled before it was answered", id)
		default:
			answered = i
		}
	}
	r.want("settlements of request "+id, settled, 1)
}

// positions are where messages of a type about a request stand.
func (p *peer) positions(id string, t protocol.Type) (at []int) {
	for i, m := range p.seen {
		if m.RequestID == id && m.Type == t {
			at = append(at, i)
		}
	}
	return at
}
