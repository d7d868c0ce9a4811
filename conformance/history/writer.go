package history

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

const (
	accounts = 6   // documents of the collection whose sum is constant
	balance  = 100 // each one's at the beginning
	ids      = 25  // ids of the other collections, few enough to be deleted and inserted again
)

const pad = "lorem ipsum dolor sit amet, consectetur adipiscing elit, " +
	"sed do eiusmod tempor incididunt ut labore"

// collections: the first two are written by everybody, the last one see kept.
var collections = []string{"notes", "tasks", "sum", "kept"}

// writer is one connection that writes, and checks that it sees its own writes.
type writer struct {
	*run
	name    string
	rng     *rand.Rand
	client  *client.Client
	settled map[string]int  // by requestId
	owed    map[string]bool // writes that were answered and are to be settled
	deleted map[string]bool
	made    int
	// keeping are the documents of its own that exist, account what it did to all of its own.
	number  int
	keeping []string
	account map[string][]kept
}

func newWriter(r *run, i int) *writer {
	return &writer{run: r, name: fmt.Sprintf("writer %d", i), number: i, rng: r.rand("writer", i),
		settled: map[string]int{}, owed: map[string]bool{}, deleted: map[string]bool{},
		account: map[string][]kept{}}
}

// prepare makes the accounts, all at once.
func (r *run) prepare() {
	w := newWriter(r, -1)
	if !w.connect() {
		return
	}
	defer w.client.Close()
	q := protocol.Request{Type: protocol.TypeBatch, MutationID: "accounts"}
	for i := range accounts {
		q.Operations = append(q.Operations, protocol.Request{
			Type: protocol.TypeInsert, Collection: "sum", DocID: account(i), Data: value(balance),
		})
	}
	if refused := w.insist(q); refused != nil {
		r.fail("history/errors", "the accounts were refused: %s", refused.Message)
	}
}

func account(i int) string { return fmt.Sprintf("account%d", i) }
func value(n int) []byte   { return fmt.Appendf(nil, `{"n":%d}`, n) }
func (w *writer) data() []byte {
	w.made++
	return fmt.Appendf(nil, `{"by":%q,"n":%d,"pad":%q}`, w.name, w.made, pad[:w.rng.IntN(len(pad))])
}

func (w *writer) connect() bool {
	var err error
	if w.client, err = client.Dial(w.ctx, client.URL(w.URL, w.Scope)); err != nil {
		w.broken(err)
		return false
	}
	w.client.Seen = w.see
	return true
}

// see notes settlements: once for each answered write, and after its answer.
func (w *writer) see(m protocol.Received) {
	if m.Type != protocol.TypeSettled {
		return
	}
	if w.settled[m.RequestID]++; w.settled[m.RequestID] > 1 || !w.owed[m.RequestID] {
		w.fail(
			"writes/settled", "%s: request %s was settled %d times, answered before: %v", w.name, m.RequestID,
			w.settled[m.RequestID], w.owed[m.RequestID],
		)
	}
	delete(w.owed, m.RequestID)
	w.count(func(c *Counts) { c.Settled++ })
}

func (w *writer) broken(err error) {
	if w.ctx.Err() == nil {
		w.fail("history/connection", "%s: %v", w.name, err)
	}
}

// call makes a request; ok tells whether it was carried out. Refusals that a random history brings
// are no failures.
func (w *writer) call(q protocol.Request) (m protocol.Received, ok bool) {
	m, err := w.client.Call(w.ctx, q)
	if err != nil {
		w.broken(err)
		return m, false
	}
	if m.Error != nil {
		switch m.Error.Code {
		case protocol.CodeAlreadyExists, protocol.CodeNotFound, protocol.CodeConflict, protocol.CodeUnavailable:
			return m, false
		case protocol.CodeTimeout:
			if w.Upsets != nil {
				return m, false
			}
			fallthrough
		default:
			w.fail("history/errors", "%s: %s was refused: %s %s", w.name, q.Type, m.Error.Code, m.Error.Message)
		}
		return m, false
	}
	if q.Writes() {
		w.owed[m.RequestID] = true
		w.count(func(c *Counts) { c.Writes++ })
	}
	return m, true
}

// write writes as long as writers do, then waits until every write is settled.
func (w *writer) write() {
	for w.writing() {
		w.one()
		w.pause(time.Duration(w.rng.IntN(4)) * time.Millisecond)
	}
	for deadline := time.Now().Add(20 * time.Second); len(w.owed) > 0 && w.ctx.Err() == nil; {
		if time.Now().After(deadline) {
			w.fail("writes/settled", "%s: %d answered writes were never settled", w.name, len(w.owed))
			return
		}
		m, err := w.client.Next(w.ctx)
		if err != nil {
			w.broken(err)
			return
		}
		w.see(m)
	}
}

func (w *writer) start() {
	if w.connect() {
		defer w.client.Close()
		w.write()
	}
}

func (w *writer) one() {
	collection, id := collections[w.rng.IntN(2)], fmt.Sprintf("d%d", w.rng.IntN(ids))
	q := protocol.Request{Collection: collection, DocID: id, Data: w.data()}
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		q.Type = protocol.TypeInsert
	case 3, 4:
		q.Type = protocol.TypeUpdate
	case 5, 6:
		q.Type, q.Data = protocol.TypeDelete, nil
	case 7:
		q.Type = protocol.TypeUpsert
	case 8:
		q.Type, q.DocID, q.Filter = protocol.TypeUpsert, "", fmt.Appendf(nil, `{"by":%q}`, w.name)
	case 9, 10:
		w.keep()
		return
	default:
		w.transfer()
		return
	}
	phase := w.phase.Load()
	m, ok := w.call(q)
	if !ok {
		return
	}
	w.noteReinsert(q)
	if q.Type == protocol.TypeUpdate || q.Type == protocol.TypeInsert {
		w.readBack(q, m, phase)
	}
}

func (w *writer) noteReinsert(q protocol.Request) {
	key := q.Collection + "/" + q.DocID
	switch q.Type {
	case protocol.TypeDelete:
		w.deleted[key] = true
	case protocol.TypeInsert:
		if w.deleted[key] {
			w.count(func(c *Counts) { c.Reinserts++ })
		}
	}
}

// readBack: a read sees every write that was sent before it, or what came later, unless the database
// was upset since that phase.
func (w *writer) readBack(q protocol.Request, written protocol.Received, phase int64) {
	if w.rng.IntN(4) > 0 {
		return
	}
	m, ok := w.call(protocol.Request{Type: protocol.TypeDoc, Collection: q.Collection, DocID: q.DocID})
	if !ok {
		return
	}
	before, after := client.StampsOf(written.Doc), client.StampsOf(m.Doc)
	older := after.Created == before.Created && after.Updated < before.Updated
	if after.Rev != "" && older && w.phase.Load() == phase {
		w.fail("reads/own-writes", "%s: read %s after writing %s", w.name, m.Doc, written.Doc)
	}
}

// transfer moves an amount between two accounts in one batch. Their sum stays constant in every
// snapshot.
func (w *writer) transfer() {
	from, to := account(w.rng.IntN(accounts)), account(w.rng.IntN(accounts))
	if from == to {
		return
	}
	a, ok := w.call(protocol.Request{Type: protocol.TypeDoc, Collection: "sum", DocID: from})
	if !ok {
		return
	}
	b, ok := w.call(protocol.Request{Type: protocol.TypeDoc, Collection: "sum", DocID: to})
	if !ok {
		return
	}
	x, y, amount := client.StampsOf(a.Doc), client.StampsOf(b.Doc), w.rng.IntN(20)
	_, ok = w.call(protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
		{Type: protocol.TypeUpdate, Collection: "sum", DocID: from, Data: value(x.N - amount), IfRev: x.Rev},
		{Type: protocol.TypeUpdate, Collection: "sum", DocID: to, Data: value(y.N + amount), IfRev: y.Rev},
	}})
	if ok {
		w.count(func(c *Counts) { c.Batches++ })
	}
}

// outside writes as a stranger to the gateway does.
func (r *run) outside() {
	rng := r.rand("outside", 0)
	kinds := []string{"insert", "update", "replace", "delete", "move"}
	for n := 0; r.writing(); n++ {
		ref := func() protocol.Ref {
			return protocol.Ref{
				Scope: r.Scope, Collection: collections[rng.IntN(2)], ID: fmt.Sprintf("x%d", rng.IntN(ids)),
			}
		}
		// A replace first makes sure that the others find their document.
		first := conformance.Step{Kind: "replace", Ref: ref(), Data: fmt.Sprintf(`{"outside": %d}`, n)}
		second := conformance.Step{
			Kind: kinds[rng.IntN(len(kinds))], Ref: first.Ref, Data: fmt.Sprintf(`{"outside": -%d}`, n),
		}
		switch second.Kind {
		case "insert":
			second.Ref.ID = fmt.Sprintf("y%d", n)
		case "move":
			second.To = protocol.Ref{Scope: r.Scope, Collection: first.Ref.Collection, ID: fmt.Sprintf("z%d", n)}
		}
		r.steady.RLock()
		r.Outside.Do(r.t, rng.IntN(5) > 0, first, second)
		r.steady.RUnlock()
		r.count(func(c *Counts) { c.Outside++ })
		r.pause(time.Duration(rng.IntN(30)) * time.Millisecond)
	}
}
