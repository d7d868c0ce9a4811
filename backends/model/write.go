package model

import (
	"context"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// mutationTime is how long a mutation is kept: as short as the contract allows.
const mutationTime = 24 * time.Hour

// mutation is the record of a mutation.
type mutation struct {
	digest [32]byte
	writes []effect
	at     time.Time
	// shown is the index of the first snapshot that shows the effects.
	shown int
}

// effect is what one write did, to which document.
type effect struct {
	ref protocol.Ref
	op  backends.Op
}

// Write implements [backends.Backend]. It carries out transactions one after the other. Until it
// returns, reads may miss all of them.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	inner, leave, err := b.life.EnterContext(ctx)
	if err != nil {
		return driverkit.Failed(len(txs), err)
	}
	defer leave()
	outcomes := make([]backends.Outcome, len(txs))
	shown := 0
	for i := range txs {
		at := 0
		outcomes[i], at = b.write(inner, &txs[i])
		outcomes[i].Err = b.explain(ctx, outcomes[i].Err)
		shown = max(shown, at)
	}
	b.store.acknowledge(shown)
	return outcomes
}

func (s *store) acknowledge(shown int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = max(s.acked, shown)
}

func (b *Backend) write(ctx context.Context, tx *backends.Tx) (out backends.Outcome, shown int) {
	shown, out.Err = b.store.transact(ctx, func(t *transaction) (err error) {
		out, err = t.perform(tx)
		return err
	})
	if out.Err != nil {
		return backends.Outcome{Err: out.Err}, shown
	}
	return out, shown
}

// perform carries out a transaction, or replays it.
func (t *transaction) perform(tx *backends.Tx) (out backends.Outcome, err error) {
	key := mutationKey{tx.Scope, tx.Principal, tx.Mutation}
	if tx.Mutation != "" {
		if err := t.lock(key); err != nil {
			return out, err
		}
		if m, ok := t.mutation(key); ok {
			return t.replay(tx, m)
		}
	}
	var results driverkit.Results
	for i := range tx.Writes {
		change, err := t.apply(tx, &tx.Writes[i])
		if err == nil {
			err = results.Add(tx, &change)
		}
		if err == errLocked {
			return out, err
		}
		if err != nil {
			return out, &backends.WriteError{Index: i, Err: err}
		}
		out.Changes = append(out.Changes, change)
	}
	t.recordMutation(key, tx, out.Changes)
	t.putEntries(tx, out.Changes)
	return out, nil
}

func (t *transaction) apply(tx *backends.Tx, w *backends.Write) (change backends.Change, err error) {
	found, err := t.find(tx.Scope, w)
	if err != nil {
		return change, err
	}
	if change, err = w.Apply(tx, found); err != nil {
		return change, err
	}
	if err := t.lock(change.Ref); err != nil {
		return change, err
	}
	// The id is taken by a withheld document, or by one that the filter names but does not match.
	if v := t.current(change.Ref); found == nil && v != nil && !v.gone {
		return change, driverkit.ErrExists(change.Ref)
	}
	change.Commit = commit{t.epoch, t.xid}
	v := &version{ref: change.Ref, op: change.Op, by: tx.By, doc: change.Doc, gone: change.Doc == nil}
	if d := change.Doc; d != nil {
		v.raw, v.created, v.updated = string(d.Data), d.Created, d.Updated
	}
	t.put(v)
	return change, nil
}

// find locks and returns the document that a write means, nil if there is none.
func (t *transaction) find(s protocol.Scope, w *backends.Write) (*protocol.Document, error) {
	ref := protocol.Ref{Scope: s, Collection: w.Collection, ID: w.ID}
	if w.ID == "" {
		if err := t.lock(upsertLock{s, w.Collection}); err != nil {
			return nil, err
		}
		newest := backends.Newest(*w.Filter, t.latest(s, w.Collection))
		if newest == nil {
			return nil, nil
		}
		ref.ID = newest.ID
	}
	if err := t.lock(ref); err != nil {
		return nil, err
	}
	if v := t.current(ref); v != nil {
		return v.doc, nil
	}
	return nil, nil
}

// latest returns the documents of a collection as the transaction sees them.
func (t *transaction) latest(s protocol.Scope, collection string) (docs []protocol.Document) {
	ids := map[string]struct{}{}
	for id := range t.tables[s][collection] {
		ids[id] = struct{}{}
	}
	for r := range t.own {
		if r.Scope == s && r.Collection == collection {
			ids[r.ID] = struct{}{}
		}
	}
	for id := range ids {
		if v := t.current(protocol.Ref{Scope: s, Collection: collection, ID: id}); v.doc != nil {
			docs = append(docs, *v.doc)
		}
	}
	return docs
}

// mutation returns the record of a mutation unless it has expired.
func (s *store) mutation(key mutationKey) (mutation, bool) {
	m, ok := s.mutations[key]
	if ok && s.options.Now().Sub(m.at) > mutationTime {
		return mutation{}, false
	}
	return m, ok
}

func (t *transaction) recordMutation(key mutationKey, tx *backends.Tx, changes []backends.Change) {
	if tx.Mutation == "" {
		return
	}
	m := mutation{digest: tx.Digest, at: t.options.Now()}
	for _, c := range changes {
		m.writes = append(m.writes, effect{c.Ref, c.Op})
	}
	t.atCommit = append(t.atCommit, func() {
		m.shown = len(t.snapshots) // the index of the snapshot of this commit
		t.mutations[key] = m
	})
}

// putEntries stores the transaction's ledger entries. It calls Entries twice, as a driver that
// retries does.
func (t *transaction) putEntries(tx *backends.Tx, changes []backends.Change) {
	if tx.Entries == nil {
		return
	}
	tx.Entries(changes)
	entries := tx.Entries(changes)
	t.atCommit = append(t.atCommit, func() {
		for _, e := range entries {
			t.putEntry(e)
		}
	})
}

// replay answers a mutation that was recorded before.
func (t *transaction) replay(tx *backends.Tx, m mutation) (out backends.Outcome, err error) {
	if m.digest != tx.Digest {
		return out, driverkit.ErrMismatch
	}
	out.Replayed = true
	out.Cursor = cursor{t.epoch, t.snapshots[t.dice.between(m.shown, t.newest())]}
	for _, e := range m.writes {
		change := backends.Change{Ref: e.ref, Op: e.op, By: tx.By}
		if v := t.current(e.ref); v != nil {
			change.Doc = v.doc
		}
		out.Changes = append(out.Changes, change)
	}
	return out, nil
}
