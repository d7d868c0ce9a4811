package history

import (
	"fmt"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// keptAtOnce is how many documents a writer has in the collection that it keeps account of.
const keptAtOnce = 8

// kept is one write to a document that nobody else writes, and that is never inserted again.
type kept struct {
	data string // what the document holds afterwards; "" when it is gone
	// sent and answered are the run's phase when the write was sent first, and when it was
	// acknowledged; answered is -1 if it never was.
	sent, answered int64
}

// keep writes to a document of the writer's own. It asks again until it is told whether the write
// was carried out.
func (w *writer) keep() {
	w.made++
	q := protocol.Request{
		Type: protocol.TypeUpdate, Collection: "kept", Data: value(w.made),
		MutationID: fmt.Sprintf("%s, %d", w.name, w.made),
	}
	n := len(w.keeping)
	switch {
	case n == 0 || n < keptAtOnce && w.rng.IntN(2) == 0:
		q.Type, q.DocID = protocol.TypeInsert, fmt.Sprintf("k%d-%d", w.number, w.made)
		w.keeping = append(w.keeping, q.DocID)
	case w.rng.IntN(4) == 0:
		q.Type, q.DocID, q.Data = protocol.TypeDelete, w.keeping[0], nil
		w.keeping = w.keeping[1:]
	default:
		q.DocID = w.keeping[w.rng.IntN(n)]
	}
	one := kept{data: string(q.Data), sent: w.phase.Load(), answered: -1}
	refused := w.insist(q)
	switch {
	case w.ctx.Err() != nil:
		return
	case refused == nil:
		one.answered = w.phase.Load()
		w.count(func(c *Counts) { c.Kept++ })
	case refused.Code != protocol.CodeNotFound || !w.loses():
		w.fail("writes/kept", "%s: %s of %s was refused: %s", w.name, q.Type, q.DocID, refused.Message)
	default: // an upset has taken the document
		w.keeping = slices.DeleteFunc(w.keeping, func(id string) bool { return id == q.DocID })
	}
	w.account[q.DocID] = append(w.account[q.DocID], one)
}

// insist sends a write under one mutationId until its error, if any, is no passing one.
func (w *writer) insist(q protocol.Request) *protocol.ReceivedError {
	for {
		m, ok := w.call(q)
		if ok || w.ctx.Err() != nil {
			return nil
		}
		if !m.Error.Retryable {
			return m.Error
		}
		w.again()
	}
}

// survives tells whether no upset can have taken an acknowledged write away.
func (r *run) survives(w kept) bool {
	for i, u := range r.Upsets {
		at := int64(2*i + 1) // the phase in which it happened; the one before made the copy
		if u.Loses == SinceLast && w.answered >= at-2 && w.sent <= at {
			return false
		}
	}
	return w.answered >= 0
}

// checkKept holds the database in the end to what was acknowledged: each document is what the last
// write made of it that nothing has taken away, or a later one.
func (r *run) checkKept(writers []*writer, at backends.Cursor) {
	state, known := r.ask(at)
	if !known {
		return
	}
	for _, w := range writers {
		for id, writes := range w.account {
			has := ""
			if doc, ok := state["kept"][id]; ok {
				has = string(value(client.StampsOf(doc.Append(nil)).N))
			}
			if !r.accounts(writes, has) {
				r.fail("writes/kept", "%s: in the end %s is %q after %+v", w.name, id, has, writes)
			}
		}
	}
}

// accounts tells whether a document may be what it is after these writes.
func (r *run) accounts(writes []kept, has string) bool {
	for i := len(writes) - 1; i >= 0; i-- {
		if writes[i].data == has {
			return true
		}
		if r.survives(writes[i]) {
			return false
		}
	}
	return has == "" // before the first write
}
