package mongodb

import (
	"context"
	"maps"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// group is the transactions of several calls, which one transaction of the database carries out. It
// reads all documents that they name, decides all writes here, in their order, and stores the
// result.
type group struct {
	backend *Backend
	epoch   epoch
	all     []*groupTx
	staged  *driverkit.Staged
	found   map[protocol.Ref]*stored // the documents as they were read
	plain   map[any]protocol.Ref     // the documents whose _id is a plain text, by _id
	replays []*groupTx

	// Upserts by filter.
	filtered map[protocol.Ref][]*backends.Write     // by collection
	searches map[*backends.Write]*search            // what their callers have found
	passed   map[*backends.Write]*protocol.Document // no later document has been looked at

	// What the transaction stores: documents, with their _ids and who has changed them last, and
	// what else there is.
	models  []mongo.WriteModel
	stored  map[protocol.Ref]any
	authors map[protocol.Ref]backends.Actor
	records []any // of mutations
	entries []backends.Entry
}

// groupTx is one transaction of a group, and its outcome.
type groupTx struct {
	*backends.Tx
	call     *call
	out      *backends.Outcome
	mutation *driverkit.MutationRecord // nil without a mutation id
}

func newGroup(b *Backend, calls []*call) *group {
	g := &group{
		backend: b, epoch: b.currentEpoch(), staged: driverkit.NewStaged(),
		found: map[protocol.Ref]*stored{}, plain: map[any]protocol.Ref{},
		filtered: map[protocol.Ref][]*backends.Write{}, searches: map[*backends.Write]*search{},
		passed: map[*backends.Write]*protocol.Document{},
		stored: map[protocol.Ref]any{}, authors: map[protocol.Ref]backends.Actor{},
	}
	for _, c := range calls {
		c.deferred = false
		for collection, writes := range filtered(c.txs) {
			g.filtered[collection] = append(g.filtered[collection], writes...)
		}
		maps.Copy(g.searches, c.searches)
		for i := range c.txs {
			c.outs[i] = backends.Outcome{}
			tx := &groupTx{&c.txs[i], c, &c.outs[i], driverkit.NewMutationRecord(&c.txs[i])}
			g.all = append(g.all, tx)
		}
	}
	return g
}

// work reads, decides and stores, inside the transaction.
func (g *group) work(ctx context.Context) error {
	if err := g.lock(ctx); err != nil {
		return err
	}
	known, err := g.knownMutations(ctx)
	if err != nil {
		return err
	}
	var refs []protocol.Ref
	for _, tx := range g.all {
		refs = append(refs, g.staged.Named(tx.Tx)...)
	}
	if err := g.load(ctx, refs); err != nil {
		return err
	}
	if err := g.loadFiltered(ctx); err != nil {
		return err
	}
	for _, tx := range g.all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if tx.mutation == nil {
			g.decide(tx)
			continue
		}
		key := string(tx.mutation.Key)
		if known[key] {
			g.replays = append(g.replays, tx)
		} else if g.decide(tx); tx.out.Err == nil {
			known[key] = true
		}
	}
	return g.store(ctx)
}

// load stages documents.
func (g *group) load(ctx context.Context, refs []protocol.Ref) error {
	if len(refs) == 0 {
		return nil
	}
	keys := bson.A{}
	for _, r := range refs {
		keys = append(keys, possibleKeys(r)...)
	}
	cursor, err := g.backend.docs.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: keys}}}})
	if err != nil {
		return err
	}
	defer closeCursor(ctx, cursor)
	for cursor.Next(ctx) {
		s, ok := g.backend.read(append(bson.Raw(nil), cursor.Current...))
		if id, plain := cursor.Current.Lookup("_id").StringValueOK(); plain {
			g.plain[id] = s.ref
		}
		if ok && g.staged.Docs[s.ref] != nil && g.found[s.ref] == nil {
			g.stage(&s)
		}
	}
	return cursor.Err()
}

// stage stages a document that was read.
func (g *group) stage(s *stored) {
	g.found[s.ref] = s
	g.staged.Loaded(s.ref, s.doc)
}

// decide decides one transaction on the documents as those before it have left them. A transaction
// that is refused or deferred leaves no trace.
func (g *group) decide(tx *groupTx) {
	if tx.call.deferred { // those of one call take effect in their order
		tx.out.Err = driverkit.ErrSearchFirst
		return
	}
	g.staged.Begin()
	var changes []backends.Change
	var results driverkit.Results
	for i := range tx.Writes {
		w := &tx.Writes[i]
		var found *protocol.Document
		known := true
		if driverkit.Target(tx.Tx, w).ID == "" {
			found, known = g.newest(tx.Tx, w)
		} else {
			found = g.staged.Find(tx.Tx, w)
		}
		if !known {
			g.staged.Undo()
			tx.call.deferred, tx.out.Err = true, driverkit.ErrSearchFirst
			return
		}
		change, err := g.staged.Apply(tx.Tx, w, found)
		if err == nil {
			err = checkSize(g.found[change.Ref], change.Doc)
		}
		if err == nil {
			err = results.Add(tx.Tx, &change)
		}
		if err != nil {
			g.staged.Undo()
			tx.out.Err = &backends.WriteError{Index: i, Err: err}
			return
		}
		changes = append(changes, change)
	}
	tx.out.Changes = changes
	for i := range changes {
		g.authors[changes[i].Ref] = changes[i].By
	}
	if m := tx.mutation; m != nil {
		m.SetResult(changes...)
		g.records = append(g.records, newRecord(m))
	}
	if tx.Entries != nil {
		g.entries = append(g.entries, tx.Entries(changes)...)
	}
}
