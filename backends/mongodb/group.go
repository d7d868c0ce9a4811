package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// group is the transactions of several calls that one transaction of the database carries out: everything they name is
// read, all is decided here, in order, and what came of it is stored.
type group struct {
	backend *Backend
	life    epoch
	decided []*decided
	// states are the documents as of the transactions so far; one that is not there has a state too.
	states   map[protocol.Ref]*state
	taken    map[any]protocol.Ref // whose a plain _id is
	known    map[string]bool      // mutations that are remembered
	replays  []*decided
	models   []mongo.WriteModel
	memories []any
	entries  []backends.Entry
}

// state is one document within the transaction.
type state struct {
	found *stored // as it was read, nil: not there
	doc   *protocol.Document
	// taken: something is there, if only a document that is withheld.
	taken   bool
	changed bool
	fresh   bool // it was made anew, after it had been deleted
}

func newGroup(b *Backend, calls []*call) *group {
	g := &group{
		backend: b, life: b.epoch(), states: map[protocol.Ref]*state{}, taken: map[any]protocol.Ref{}, known: map[string]bool{},
	}
	for _, c := range calls {
		for i := range c.txs {
			c.outs[i] = backends.Outcome{}
			d := &decided{tx: &c.txs[i], out: &c.outs[i]}
			if d.tx.Mutation != "" {
				d.memory = backends.Remember(d.tx)
			}
			g.decided = append(g.decided, d)
		}
	}
	return g
}

// work reads, decides and stores, inside the transaction.
func (g *group) work(ctx context.Context) error {
	if err := g.lock(ctx); err != nil {
		return err
	}
	if err := g.recall(ctx); err != nil {
		return err
	}
	if err := g.load(ctx, g.named()); err != nil {
		return err
	}
	if err := g.match(ctx); err != nil {
		return err
	}
	made := map[string]bool{} // mutations of this group
	for _, d := range g.decided {
		if m := d.memory; m != nil && (g.known[string(m.Key)] || made[string(m.Key)]) {
			g.replays = append(g.replays, d)
			continue
		}
		if g.decide(d); d.out.Err == nil && d.memory != nil {
			made[string(d.memory.Key)] = true
		}
	}
	return g.store(ctx)
}

// named are the documents that the writes name. Each has a state from here on.
func (g *group) named() (refs []protocol.Ref) {
	for _, d := range g.decided {
		for i := range d.tx.Writes {
			r := target(d.tx, &d.tx.Writes[i])
			if r.ID != "" && g.states[r] == nil {
				g.states[r] = &state{}
				refs = append(refs, r)
			}
		}
	}
	return refs
}

// target is the document that a write names; without an id where only its filter tells.
func target(tx *backends.Tx, w *backends.Write) protocol.Ref {
	r := protocol.Ref{Scope: tx.Scope, Collection: w.Collection, ID: w.ID}
	if r.ID == "" && w.Filter != nil {
		r.ID = w.Filter.ID
	}
	return r
}

// load reads documents into their states.
func (g *group) load(ctx context.Context, refs []protocol.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	keys := bson.A{}
	for _, r := range refs {
		keys = append(keys, possible(r)...)
	}
	found, err := g.backend.docs.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}})
	if err != nil {
		return err
	}
	defer leave(ctx, found)
	for found.Next(ctx) {
		s, ok := g.backend.read(append(bson.Raw(nil), found.Current...))
		if id, plain := found.Current.Lookup("_id").StringValueOK(); plain {
			g.taken[id] = s.ref
		}
		if known := g.states[s.ref]; ok && known != nil && known.found == nil {
			*known = state{found: &s, doc: s.doc, taken: true}
		}
	}
	return found.Err()
}

// decide has one transaction decided on what those before it have left. One that is refused leaves no trace.
func (g *group) decide(d *decided) {
	before := map[protocol.Ref]state{} // to go back to
	var changes []backends.Change
	for i := range d.tx.Writes {
		change, err := g.apply(d.tx, &d.tx.Writes[i], before)
		if err != nil {
			for r, s := range before {
				*g.states[r] = s
			}
			d.out.Err = &backends.WriteError{Index: i, Err: err}
			return
		}
		changes = append(changes, change)
	}
	d.out.Changes = changes
	if m := d.memory; m != nil {
		m.Result = backends.ResultOf(changes)
		g.memories = append(g.memories, bson.D{
			{Key: "_id", Value: bson.Binary{Data: m.Key}}, {Key: "at", Value: time.Now()},
			{Key: "digest", Value: bson.Binary{Data: m.Digest}}, {Key: "result", Value: bson.Binary{Data: m.Result}},
		})
	}
	if d.tx.Entries != nil {
		g.entries = append(g.entries, d.tx.Entries(changes)...)
	}
}

// apply does one write to the states.
func (g *group) apply(tx *backends.Tx, w *backends.Write, before map[protocol.Ref]state) (backends.Change, error) {
	change, err := w.Apply(tx, g.means(tx, w))
	if err != nil {
		return change, err
	}
	s := g.states[change.Ref]
	if s == nil {
		s = &state{}
		g.states[change.Ref] = s
	}
	if change.Op == backends.Insert && s.taken { // withheld, or not what the filter means
		return change, protocol.Errorf(protocol.CodeAlreadyExists, "there is already a document %q in %q", change.Ref.ID, change.Ref.Collection)
	}
	if _, ok := before[change.Ref]; !ok {
		before[change.Ref] = *s
	}
	s.fresh = s.fresh || change.Op == backends.Insert
	s.doc, s.taken, s.changed = change.Doc, change.Doc != nil, true
	return change, nil
}

// means is the document that a write is about.
func (g *group) means(tx *backends.Tx, w *backends.Write) *protocol.Document {
	r := target(tx, w)
	if r.ID == "" {
		return g.newest(tx, w)
	}
	doc := g.states[r].doc
	if doc == nil || w.Filter != nil && !w.Filter.Matches(doc) {
		return nil
	}
	return doc
}
