package gateway_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// pastDocs are more documents than a stream is told of at once.
const pastDocs = 1000

// pastRules are on what a stream is told of the time before it, beside the live changes.
var pastRules = []gatewayRule{
	{
		ID:   "past/overtaken",
		Says: "live changes overtake the last seconds and the replay of a reset",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.StreamPace = time.Hour })
			p := r.dial()
			r.load(p)
			for name, headers := range map[string][]string{"new": nil, "reset": {"Last-Event-ID: gone"}} {
				w := r.stream("", headers...)
				first := w.untilDocEvent()
				r.must(first.Collection == "c", "the first document is %+v", first)
				p.insert("live", name, `{}`)
				w.untilDoc(name)
				docs := map[string]string{}
				foldInto(docs, w.seen)
				r.must(len(docs) < pastDocs, "%s: %d documents came before the live change", name, len(docs))
			}
		},
	},
	{
		ID:   "past/never-older",
		Says: "no document's older state follows a newer one while the past is told",
		Check: func(r *trial) {
			r.serve(func(c *gateway.Config) { c.StreamPace = 5 * time.Millisecond })
			for name, headers := range map[string][]string{"new": nil, "reset": {"Last-Event-ID: gone"}} {
				p := r.dial()
				r.load(p)
				w := r.stream("", headers...)
				w.untilDocEvent()
				for end := pastDocs; end > 0; end -= 50 { // those that come last first
					p.batch(protocol.TypeUpdate, []byte(`{"n":1}`), end-50, end)
				}
				p.insert("c", name, `{}`)
				w.untilDoc(name)
				w.untilID()
				r.neverOlder(w)
				docs := map[string]string{}
				foldInto(docs, w.seen)
				r.same(docs, w)
				p.batch(protocol.TypeDelete, nil, 0, pastDocs)
				p.do(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "last"})
			}
		},
	},
}

// load makes the documents that a stream is told of, and waits until the gateway has heard of them.
func (r *trial) load(p *peer) {
	follower := r.dial()
	p.batch(protocol.TypeInsert, []byte(`{"n":0}`), 0, pastDocs)
	follower.catchUp(p)
}

// batch does the same to each of the documents from one number up to another.
func (p *peer) batch(t protocol.Type, data []byte, from, to int) {
	batch := protocol.Request{Type: protocol.TypeBatch}
	for i := from; i < to; i++ {
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: t, Collection: "c", DocID: fmt.Sprint("d", i), Data: data,
		})
	}
	p.do(batch)
}

// untilDocEvent reads up to the first document.
func (w *eventStream) untilDocEvent() event {
	return w.until("a document", func(e event) bool { return e.Doc != nil })
}

// neverOlder looks at what each document's n was told to be.
func (r *trial) neverOlder(w *eventStream) {
	newest := map[string]int{}
	for _, e := range w.seen {
		if e.Doc == nil || e.Collection != "c" {
			continue
		}
		var doc struct{ N int }
		r.must(json.Unmarshal(e.Doc, &doc) == nil, "the document is %s", e.Doc)
		id := idOf(e.Doc)
		r.must(doc.N >= newest[id], "%s was %d and then %d", id, newest[id], doc.N)
		newest[id] = doc.N
	}
}
