package differential_test

import (
	"context"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// faulty is a database with a bug: the functions that are set spoil an answer, until they tell that
// they have.
type faulty struct {
	backends.Backend
	spoilt bool
	write  func([]backends.Tx, []backends.Outcome) bool
	skip   func(context.Context, []backends.Tx) (outs []backends.Outcome, skipped bool)
	page   func(*backends.Page) bool
	counts func(map[string]int) bool
	told   func(*backends.Batch) bool
	since  func(*backends.Batch) bool
	gone   func(*[]protocol.Ref) bool
	found  func(*[]backends.Entry) bool
	last   any // Commit of the last change
}

// planting opens databases with a bug.
type planting struct {
	conformance.Harness
	bug func(*faulty)
}

func (p planting) Open(t conformance.T) backends.Backend {
	f := &faulty{Backend: p.Harness.Open(t)}
	p.bug(f)
	return f
}

func (f *faulty) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	if f.skip != nil && !f.spoilt {
		if outs, skipped := f.skip(ctx, txs); skipped {
			f.spoilt = true
			return outs
		}
	}
	outs := f.Backend.Write(ctx, txs)
	for _, o := range outs {
		if o.Err == nil && !o.Replayed {
			f.last = o.Changes[0].Commit
		}
	}
	if f.write != nil && !f.spoilt {
		f.spoilt = f.write(txs, outs)
	}
	return outs
}

func (f *faulty) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	page, err := f.Backend.List(ctx, s, q)
	if f.page != nil && !f.spoilt {
		f.spoilt = f.page(&page)
	}
	return page, err
}

func (f *faulty) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (map[string]int, error) {
	all, err := f.Backend.Collections(ctx, s, notBefore)
	if f.counts != nil && !f.spoilt {
		f.spoilt = f.counts(all)
	}
	return all, err
}

func (f *faulty) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
) (backends.Batch, error) {
	batch, err := f.Backend.Since(ctx, s, from, maxBytes)
	if f.since != nil && !f.spoilt {
		f.spoilt = f.since(&batch)
	}
	return batch, err
}

func (f *faulty) Gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) ([]protocol.Ref, backends.Cursor, error) {
	refs, at, err := f.Backend.Gone(ctx, s, from, max)
	if f.gone != nil && !f.spoilt {
		f.spoilt = f.gone(&refs)
	}
	return refs, at, err
}

func (f *faulty) Find(ctx context.Context, kind, prefix, after string, limit int) ([]backends.Entry, error) {
	all, err := f.Backend.Find(ctx, kind, prefix, after, limit)
	if f.found != nil && !f.spoilt {
		f.spoilt = f.found(&all)
	}
	return all, err
}

func (f *faulty) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	feed, err := f.Backend.Watch(ctx, from)
	return spoiltFeed{feed, f}, err
}

type spoiltFeed struct {
	backends.Feed
	f *faulty
}

func (s spoiltFeed) Next(ctx context.Context) (backends.Batch, error) {
	batch, err := s.Feed.Next(ctx)
	if s.f.told != nil && !s.f.spoilt {
		s.f.spoilt = s.f.told(&batch)
	}
	return batch, err
}

// The functions below make bugs.

// at spoils the document of an answer's last change.
func at(o *backends.Outcome, spoil func(*protocol.Document)) {
	c := &o.Changes[len(o.Changes)-1]
	d := *c.Doc
	spoil(&d)
	c.Doc = &d
}

// spoilOne spoils the first outcome that is of the right kind.
func spoilOne(of func(*backends.Outcome) bool, spoil func(*backends.Outcome)) func(*faulty) {
	return func(f *faulty) {
		f.write = func(_ []backends.Tx, outs []backends.Outcome) bool {
			i := slices.IndexFunc(outs, func(o backends.Outcome) bool { return of(&o) })
			if i >= 0 {
				spoil(&outs[i])
			}
			return i >= 0
		}
	}
}

// answers spoils an outcome that is one update.
func answers(spoil func(*backends.Outcome)) func(*faulty) {
	return spoilOne(func(o *backends.Outcome) bool {
		return !o.Replayed && len(o.Changes) == 1 && o.Changes[0].Op == backends.Update
	}, spoil)
}

func replays(spoil func(*backends.Outcome)) func(*faulty) {
	return spoilOne(func(o *backends.Outcome) bool { return o.Replayed }, spoil)
}

func refusals(spoil func(*backends.WriteError)) func(*faulty) {
	return spoilOne(func(o *backends.Outcome) bool {
		e, ok := o.Err.(*backends.WriteError)
		return ok && e.Index == 0
	}, func(o *backends.Outcome) {
		e := *o.Err.(*backends.WriteError)
		spoil(&e)
		o.Err = &e
	})
}

// updateLost answers an update as if it had been done.
func updateLost(f *faulty) {
	f.skip = func(ctx context.Context, txs []backends.Tx) ([]backends.Outcome, bool) {
		if len(txs) != 1 || len(txs[0].Writes) != 1 || txs[0].Writes[0].Op != backends.Update ||
			txs[0].Mutation != "" ||
			f.last == nil {
			return nil, false
		}
		w := txs[0].Writes[0]
		found, _, err := f.Get(ctx, protocol.Ref{Scope: txs[0].Scope, Collection: w.Collection, ID: w.ID}, nil)
		if err != nil || found == nil {
			return nil, false
		}
		change, err := w.Apply(&txs[0], found)
		change.Commit = f.last
		return []backends.Outcome{{Changes: []backends.Change{change}}}, err == nil
	}
}

func pages(spoil func(*backends.Page)) func(*faulty) {
	return func(f *faulty) {
		f.page = func(p *backends.Page) bool {
			if len(p.Docs) < 2 || p.Next == "" {
				return false
			}
			p.Docs = slices.Clone(p.Docs)
			spoil(p)
			return true
		}
	}
}

func counts(spoil func(map[string]int)) func(*faulty) {
	return func(f *faulty) {
		f.counts = func(all map[string]int) bool {
			spoil(all)
			return true
		}
	}
}

func batches(spoil func(*backends.Batch)) func(*backends.Batch) bool {
	return func(b *backends.Batch) bool {
		if len(b.Changes) < 3 {
			return false
		}
		b.Changes = slices.Clone(b.Changes)
		spoil(b)
		return true
	}
}

func feeds(spoil func(*backends.Batch)) func(*faulty) {
	return func(f *faulty) { f.told = batches(spoil) }
}

// always has a bug of a feed show again and again: one state that is left out may be replaced by
// the next.
func always(bug func(*faulty)) func(*faulty) {
	return func(f *faulty) {
		bug(f)
		once := f.told
		f.told = func(b *backends.Batch) bool {
			once(b)
			return false
		}
	}
}

func sinces(spoil func(*backends.Batch)) func(*faulty) {
	return func(f *faulty) { f.since = batches(spoil) }
}

func finds(spoil func([]backends.Entry) []backends.Entry) func(*faulty) {
	return func(f *faulty) {
		f.found = func(all *[]backends.Entry) bool {
			if len(*all) == 0 {
				return false
			}
			*all = spoil(*all)
			return true
		}
	}
}

// goneForgotten has nothing gone.
func goneForgotten(f *faulty) {
	f.gone = func(refs *[]protocol.Ref) bool {
		*refs = nil
		return false // what it named may have come and gone
	}
}
