package store

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// Difference is what a write would do to one document. Before is nil for one that it would make, After for
// one that it would delete.
type Difference struct {
	Ref           protocol.Ref
	Before, After *protocol.Document
}

// DryRun returns what a request would do, one Difference for each operation, or the refusal that it would
// get. Nothing changes. What others write meanwhile may make the request end differently.
func (s *Store) DryRun(
	ctx context.Context, p access.Principal, scope protocol.Scope, r *protocol.Request,
) ([]Difference, *protocol.Error) {
	if _, refused := s.allowWrites(ctx, p, scope)(r); refused != nil {
		return nil, refused
	}
	// It shows what there is.
	if refused := s.allow(ctx, p, scope, access.Read, readsOf(r)...); refused != nil {
		return nil, refused
	}
	tx, err := s.transaction(p, scope, r)
	if err != nil {
		return nil, s.Failure(r, err)
	}
	select { // a filter reads the whole collection, as a query does
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
	case <-ctx.Done():
		return nil, s.Failure(r, ctx.Err())
	}
	run := &dryRun{store: s, tx: &tx, changed: map[protocol.Ref]*protocol.Document{}}
	out := make([]Difference, len(tx.Writes))
	for i := range tx.Writes {
		change, err := run.apply(ctx, &tx.Writes[i])
		if err == nil {
			err = run.hold(&change)
		}
		if err != nil {
			return nil, s.Failure(r, &backends.WriteError{Index: i, Err: err})
		}
		out[i] = Difference{Ref: change.Ref, Before: change.Before, After: change.Doc}
	}
	return out, nil
}

// readsOf are the uses of reading the collections that a write is about.
func readsOf(r *protocol.Request) (all []access.Use) {
	for _, u := range usesOf(r) {
		all = append(all, reading(u.Collection))
	}
	return all
}

// dryRun is a transaction that nobody commits.
type dryRun struct {
	store   *Store
	tx      *backends.Tx
	changed map[protocol.Ref]*protocol.Document // nil: deleted
	bytes   int                                 // of the documents before and after
}

// hold counts what a change keeps in memory. It fails with too_large.
func (d *dryRun) hold(c *backends.Change) error {
	for _, doc := range []*protocol.Document{c.Before, c.Doc} {
		if doc != nil {
			d.bytes += len(doc.Data)
		}
	}
	if d.bytes > maxResults {
		return protocol.Errorf(protocol.CodeTooLarge,
			"what a dry run would show is over %d bytes: try fewer operations at once", maxResults)
	}
	return nil
}

func (d *dryRun) apply(ctx context.Context, w *backends.Write) (backends.Change, error) {
	found, err := d.find(ctx, w)
	if err != nil {
		return backends.Change{}, err
	}
	change, err := w.Apply(d.tx, found)
	if err == nil {
		d.changed[change.Ref] = change.Doc
	}
	return change, err
}

// find is the document that a write is about, nil if there is none.
func (d *dryRun) find(ctx context.Context, w *backends.Write) (*protocol.Document, error) {
	if w.Filter == nil || w.Filter.ID != "" {
		id := w.ID
		if w.Filter != nil {
			id = w.Filter.ID
		}
		doc, err := d.get(ctx, protocol.Ref{Scope: d.tx.Scope, Collection: w.Collection, ID: id})
		if doc != nil && w.Filter != nil && !w.Filter.Matches(doc) {
			doc = nil
		}
		return doc, err
	}
	return d.search(ctx, w)
}

func (d *dryRun) get(ctx context.Context, r protocol.Ref) (*protocol.Document, error) {
	if doc, ok := d.changed[r]; ok {
		return doc, nil
	}
	doc, _, err := d.store.backend.Get(ctx, r, d.store.hub.HighWater())
	return doc, err
}

// search is the newest document that an upsert's filter matches.
func (d *dryRun) search(ctx context.Context, w *backends.Write) (best *protocol.Document, err error) {
	consider := func(doc *protocol.Document) {
		if doc != nil && w.Filter.Matches(doc) && (best == nil || backends.Before(doc, best)) {
			best = doc
		}
	}
	for ref, doc := range d.changed {
		if ref.Collection == w.Collection {
			consider(doc)
		}
	}
	ask := backends.Query{
		Collection: w.Collection, MaxBytes: queryPage, NotBefore: d.store.hub.HighWater(), Only: w.Filter,
	}
	for {
		page, err := d.store.backend.List(ctx, d.tx.Scope, ask)
		if err != nil {
			return nil, err
		}
		for i := range page.Docs {
			doc := page.Docs[i]
			if _, changed := d.changed[protocol.Ref{Scope: d.tx.Scope, Collection: w.Collection, ID: doc.ID}]; !changed {
				consider(&doc)
			}
		}
		if ask.After = page.Next; ask.After == "" {
			return best, nil
		}
	}
}
