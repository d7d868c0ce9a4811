package conformance_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// faulty is a backend with a bug: the functions that are set stand in for its methods.
type faulty struct {
	backends.Backend
	list  func(context.Context, protocol.Scope, backends.Query) (backends.Page, error)
	get   func(context.Context, protocol.Ref, backends.Cursor) (*protocol.Document, backends.Cursor, error)
	count func(context.Context, protocol.Scope, backends.Cursor) (map[string]int, error)
	write func(context.Context, []backends.Tx) []backends.Outcome
	since func(context.Context, protocol.Scope, backends.Cursor, int) (backends.Batch, error)
	gone  func(context.Context, protocol.Scope, backends.Cursor, int) ([]protocol.Ref, backends.Cursor, error)
	watch func(context.Context, backends.Cursor) (backends.Feed, error)
	parse func(context.Context, []byte) (backends.Cursor, error)
	take  func(context.Context, string, string) (backends.Entry, error)
	usage func(context.Context, protocol.Scope) (backends.Usage, error)
}

// with plants a bug into every backend that a harness opens.
func with(bug func(*faulty)) func(conformance.Harness) conformance.Harness {
	return func(h conformance.Harness) conformance.Harness { return &planting{h, bug} }
}

type planting struct {
	conformance.Harness
	bug func(*faulty)
}

func (p *planting) plant(b backends.Backend) backends.Backend {
	f := &faulty{
		Backend: b, list: b.List, get: b.Get, count: b.Collections, write: b.Write, since: b.Since,
		gone: b.Gone, watch: b.Watch, parse: b.Cursor, take: b.Take,
		usage: b.Usage,
	}
	p.bug(f)
	return f
}

func (p *planting) Open(t conformance.T) backends.Backend { return p.plant(p.Harness.Open(t)) }

func (p *planting) Reopen(t conformance.T, b backends.Backend) backends.Backend {
	return p.plant(p.Harness.Reopen(t, b.(*faulty).Backend))
}

func (p *planting) Outside(t conformance.T, b backends.Backend) conformance.Outside {
	return p.Harness.Outside(t, b.(*faulty).Backend)
}

func (p *planting) Forget(t conformance.T, b backends.Backend) {
	p.Harness.Forget(t, b.(*faulty).Backend)
}

func (p *planting) Backup(t conformance.T, b backends.Backend) func() backends.Backend {
	restore := p.Harness.Backup(t, b.(*faulty).Backend)
	return func() backends.Backend { return p.plant(restore()) }
}

func (p *planting) Oracle(t conformance.T, b backends.Backend) conformance.Oracle {
	return p.Harness.Oracle(t, b.(*faulty).Backend)
}

func (f *faulty) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	return f.list(ctx, s, q)
}

func (f *faulty) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (*protocol.Document, backends.Cursor, error) {
	return f.get(ctx, r, notBefore)
}

func (f *faulty) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (map[string]int, error) {
	return f.count(ctx, s, notBefore)
}

func (f *faulty) Usage(ctx context.Context, s protocol.Scope) (backends.Usage, error) {
	return f.usage(ctx, s)
}

func (f *faulty) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	return f.write(ctx, txs)
}

func (f *faulty) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
) (backends.Batch, error) {
	return f.since(ctx, s, from, maxBytes)
}

func (f *faulty) Gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) ([]protocol.Ref, backends.Cursor, error) {
	return f.gone(ctx, s, from, max)
}

func (f *faulty) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	return f.watch(ctx, from)
}

func (f *faulty) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	return f.parse(ctx, raw)
}

func (f *faulty) Take(ctx context.Context, kind, key string) (backends.Entry, error) {
	return f.take(ctx, kind, key)
}

// somewhere is a cursor of now, of no document in particular.
func (f *faulty) somewhere(ctx context.Context) (backends.Cursor, error) {
	_, c, err := f.Backend.Get(ctx, protocol.Ref{}, nil)
	return c, err
}

// The bugs of reads.

func listUnbound(f *faulty) {
	f.list = func(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
		q.NotBefore = nil
		return f.Backend.List(ctx, s, q)
	}
}

func listOnlySome(f *faulty) {
	f.list = func(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
		page, err := f.Backend.List(ctx, s, q)
		if q.Only != nil && len(page.Docs) > 1 {
			page.Docs = page.Docs[1:]
		}
		return page, err
	}
}

func getUnbound(f *faulty) {
	f.get = func(
		ctx context.Context, r protocol.Ref, _ backends.Cursor,
	) (*protocol.Document, backends.Cursor, error) {
		return f.Backend.Get(ctx, r, nil)
	}
}

func countUnbound(f *faulty) {
	f.count = func(ctx context.Context, s protocol.Scope, _ backends.Cursor) (map[string]int, error) {
		return f.Backend.Collections(ctx, s, nil)
	}
}

func usageOfAnother(f *faulty) {
	f.usage = func(ctx context.Context, s protocol.Scope) (backends.Usage, error) {
		s.Draft = true
		return f.Backend.Usage(ctx, s)
	}
}

func listOfAnother(f *faulty) {
	f.list = func(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
		s.Draft = true
		return f.Backend.List(ctx, s, q)
	}
}

func listAhead(f *faulty) {
	f.list = func(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
		page, err := f.Backend.List(ctx, s, q)
		if c, _ := f.somewhere(ctx); c != nil && c.Reached(page.Cursor) {
			page.Cursor = c
		}
		return page, err
	}
}

func pageSkips(f *faulty) {
	f.list = func(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
		page, err := f.Backend.List(ctx, s, q)
		if q.After != "" && len(page.Docs) > 1 {
			page.Docs = page.Docs[1:]
		}
		return page, err
	}
}

// The bugs of Since and of cursors.

func sinceOfAnother(f *faulty) {
	f.since = func(
		ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
	) (backends.Batch, error) {
		s.Draft = true
		return f.Backend.Since(ctx, s, from, maxBytes)
	}
}

func sinceCut(f *faulty) {
	f.since = func(
		ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
	) (backends.Batch, error) {
		batch, err := f.Backend.Since(ctx, s, from, maxBytes)
		batch.Changes = batch.Changes[:max(0, len(batch.Changes)-1)]
		return batch, err
	}
}

func sinceWithoutRun(f *faulty) {
	f.since = func(
		ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
	) (backends.Batch, error) {
		batch, err := f.Backend.Since(ctx, s, from, maxBytes)
		for i := range batch.Changes {
			batch.Changes[i].By.Run = ""
		}
		return batch, err
	}
}

// goneWrong forgets that a document was made again.
func goneWrong(f *faulty) {
	f.gone = func(
		ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
	) ([]protocol.Ref, backends.Cursor, error) {
		refs, at, err := f.Backend.Gone(ctx, s, from, max)
		return append(refs, protocol.Ref{Scope: s, Collection: "notes", ID: "a"}), at, err
	}
}

// resumesAll takes every cursor that it cannot resume for one of now: nothing seems to have been
// missed.
func resumesAll(f *faulty) {
	f.parse = func(ctx context.Context, raw []byte) (backends.Cursor, error) {
		if c, err := f.Backend.Cursor(ctx, raw); err == nil {
			return c, nil
		}
		return f.somewhere(ctx)
	}
	f.since = func(
		ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
	) (backends.Batch, error) {
		batch, err := f.Backend.Since(ctx, s, from, maxBytes)
		if err != nil {
			batch.Cursor, err = f.somewhere(ctx)
		}
		return batch, err
	}
}

// The bugs of writes.

func writes(spoil func(*backends.Tx)) func(conformance.Harness) conformance.Harness {
	return with(func(f *faulty) {
		f.write = func(ctx context.Context, txs []backends.Tx) []backends.Outcome {
			txs = slices.Clone(txs)
			for i := range txs {
				spoil(&txs[i])
			}
			return f.Backend.Write(ctx, txs)
		}
	})
}

func each(tx *backends.Tx, spoil func(*backends.Write)) {
	tx.Writes = slices.Clone(tx.Writes)
	for i := range tx.Writes {
		spoil(&tx.Writes[i])
	}
}

// writeLost answers every fifth call as it should, and then undoes what it did.
func writeLost(f *faulty) {
	var calls atomic.Int32
	f.write = func(ctx context.Context, txs []backends.Tx) []backends.Outcome {
		outcomes := f.Backend.Write(ctx, txs)
		if calls.Add(1)%5 != 0 {
			return outcomes
		}
		for i, o := range outcomes {
			for _, c := range o.Changes {
				undo := backends.Write{Op: backends.Delete, Collection: c.Ref.Collection, ID: c.Ref.ID}
				f.Backend.Write(ctx, []backends.Tx{{Scope: txs[i].Scope, Writes: []backends.Write{undo}}})
			}
		}
		return outcomes
	}
}

// writeApart makes a transaction of every write, and leaves time to see it between two.
func writeApart(f *faulty) {
	f.write = func(ctx context.Context, txs []backends.Tx) (outcomes []backends.Outcome) {
		for _, tx := range txs {
			var all backends.Outcome
			for i, w := range tx.Writes {
				one := tx
				one.Writes, one.Mutation = []backends.Write{w}, fmt.Sprint(tx.Mutation, i)
				o := f.Backend.Write(ctx, []backends.Tx{one})[0]
				if all.Changes = append(all.Changes, o.Changes...); o.Err != nil {
					all.Err = o.Err
					break
				}
				time.Sleep(time.Millisecond)
			}
			outcomes = append(outcomes, all)
		}
		return outcomes
	}
}

// upsertTwice looks for the document before the transaction, not in it.
func upsertTwice(f *faulty) {
	f.write = func(ctx context.Context, txs []backends.Tx) []backends.Outcome {
		tx := txs[0]
		each(&tx, func(w *backends.Write) {
			if w.Filter == nil {
				return
			}
			page, _ := f.Backend.List(ctx, tx.Scope, backends.Query{Collection: w.Collection})
			if found := backends.Newest(*w.Filter, page.Docs); found != nil {
				w.ID = found.ID
			} else {
				*w = backends.Write{
					Op: backends.Insert, Collection: w.Collection, ID: w.NewID,
					Data: protocol.Merge(w.Filter.Object(), w.Data),
				}
			}
		})
		return f.Backend.Write(ctx, []backends.Tx{tx})
	}
}

// committing commits what strangers meant to roll back.
type committing struct{ conformance.Harness }

func (c committing) Outside(t conformance.T, b backends.Backend) conformance.Outside {
	return never{c.Harness.Outside(t, b)}
}

type never struct{ conformance.Outside }

func (n never) Do(t conformance.T, _ bool, steps ...conformance.Step) {
	n.Outside.Do(t, true, steps...)
}

func takeTwice(f *faulty) {
	f.take = func(ctx context.Context, kind, key string) (backends.Entry, error) {
		e, err := f.Backend.Take(ctx, kind, key)
		if err == nil {
			err = f.Backend.Put(ctx, e, false)
		}
		return e, err
	}
}

// The bugs of feeds.

// entriesBeside stores entries in the course of a write, whatever becomes of it.
func entriesBeside(f *faulty) {
	f.write = func(ctx context.Context, txs []backends.Tx) []backends.Outcome {
		outs := make([]backends.Outcome, len(txs))
		for i, tx := range txs {
			entries := tx.Entries
			tx.Entries = nil
			outs[i] = f.Backend.Write(ctx, []backends.Tx{tx})[0]
			if entries == nil {
				continue
			}
			for _, e := range entries(outs[i].Changes) {
				if err := f.Put(ctx, e, false); err != nil {
					outs[i] = backends.Outcome{Err: err}
				}
			}
		}
		return outs
	}
}

// entriesWithoutBefore makes entries of changes that lack what was before.
func entriesWithoutBefore(f *faulty) {
	f.write = func(ctx context.Context, txs []backends.Tx) []backends.Outcome {
		txs = slices.Clone(txs)
		for i := range txs {
			entries := txs[i].Entries
			if entries == nil {
				continue
			}
			txs[i].Entries = func(changes []backends.Change) []backends.Entry {
				changes = slices.Clone(changes)
				for j := range changes {
					changes[j].Before = nil
				}
				return entries(changes)
			}
		}
		return f.Backend.Write(ctx, txs)
	}
}
