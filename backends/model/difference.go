package model

import (
	"cmp"
	"context"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Since is one scope's difference from a cursor to a snapshot that is taken after the call began.
func (b *Backend) Since(ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int) (batch backends.Batch, err error) {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return batch, err
	}
	defer leave()
	if inner.Err() != nil {
		return batch, b.explain(ctx, inner.Err())
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	at, err := b.store.resumable(from)
	if err != nil {
		return batch, err
	}
	batch = b.store.difference(at, b.store.snapshots[b.store.newest()], func(r protocol.Ref) bool { return r.Scope == s })
	if bytes := size(batch.Changes); maxBytes > 0 && bytes > maxBytes {
		return backends.Batch{}, backends.ErrTooBig
	}
	return batch, nil
}

// Gone names the documents that the history tells of and that are not there any more.
func (b *Backend) Gone(ctx context.Context, s protocol.Scope, from backends.Cursor, max int) (gone []protocol.Ref, at backends.Cursor, err error) {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	if inner.Err() != nil {
		return nil, nil, b.explain(ctx, inner.Err())
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	begin := b.store.floor
	if from != nil {
		if begin, err = b.store.resumable(from); err != nil {
			return nil, nil, err
		}
	}
	end := b.store.snapshots[b.store.newest()]
	seen := map[protocol.Ref]struct{}{}
	for _, x := range end.since(begin) {
		for _, v := range b.store.log[x] {
			if _, again := seen[v.ref]; again || v.ref.Scope != s {
				continue
			}
			seen[v.ref] = struct{}{}
			if now := visible(b.store.versions(v.ref), end); now == nil || now.doc == nil {
				gone = append(gone, v.ref)
			}
		}
	}
	if len(gone) > max {
		return nil, nil, backends.ErrTooBig
	}
	return gone, cursor{b.store.epoch, end}, nil
}

// difference is what leads from one snapshot to a later one, of the documents wanted: the versions of all
// transactions that only the later one shows, in the order in which they were written.
func (s *store) difference(from, to *snapshot, wanted func(protocol.Ref) bool) backends.Batch {
	var versions []*version
	for _, x := range to.since(from) {
		for _, v := range s.log[x] {
			if wanted(v.ref) {
				versions = append(versions, v)
			}
		}
	}
	slices.SortFunc(versions, func(a, b *version) int { return cmp.Compare(a.seq, b.seq) })
	batch := backends.Batch{Cursor: cursor{s.epoch, to}}
	batch.Lost = s.vanish(versions)
	if s.dice.chance(s.options.Collapse) {
		versions = collapse(versions)
	}
	if s.dice.chance(s.options.Mix) {
		s.mix(versions)
	}
	for _, v := range versions {
		if !slices.Contains(batch.Lost, v.ref.Scope) {
			batch.Changes = append(batch.Changes, s.change(v))
		}
	}
	return batch
}

// vanish picks scopes whose changes cannot be told, because a delete's pre-image is missing.
func (s *store) vanish(versions []*version) (lost []protocol.Scope) {
	for _, v := range versions {
		if v.gone && s.dice.chance(s.options.PreImage) && !slices.Contains(lost, v.ref.Scope) {
			lost = append(lost, v.ref.Scope)
		}
	}
	return lost
}

// collapse leaves out the states that a later one replaced.
func collapse(versions []*version) (last []*version) {
	seen := map[protocol.Ref]struct{}{}
	for _, v := range slices.Backward(versions) {
		if _, replaced := seen[v.ref]; !replaced {
			seen[v.ref] = struct{}{}
			last = append(last, v)
		}
	}
	slices.Reverse(last)
	return last
}

// mix changes the order between documents, and leaves that of each document alone.
func (s *store) mix(versions []*version) {
	place := map[protocol.Ref]int{}
	for _, v := range versions {
		if _, ok := place[v.ref]; !ok {
			place[v.ref] = s.dice.Int()
		}
	}
	slices.SortStableFunc(versions, func(a, b *version) int { return cmp.Compare(place[a.ref], place[b.ref]) })
}

// change tells a version. A document that is withheld is gone, for all that readers know.
func (s *store) change(v *version) backends.Change {
	c := backends.Change{Ref: v.ref, Op: v.op, Doc: v.doc, By: v.by, Commit: commit{s.epoch, v.xid}}
	if v.doc == nil {
		c.Op = backends.Delete
	}
	return c
}

func size(changes []backends.Change) (bytes int) {
	for _, c := range changes {
		if c.Doc != nil {
			bytes += len(c.Doc.Data)
		}
	}
	return bytes
}

// bound turns what is too big for a batch into lost scopes.
func bound(batch *backends.Batch) {
	var all int
	bytes := map[protocol.Scope]int{}
	for _, c := range batch.Changes {
		if c.Doc == nil || slices.Contains(batch.Lost, c.Ref.Scope) {
			continue
		}
		bytes[c.Ref.Scope] += len(c.Doc.Data)
		if all += len(c.Doc.Data); bytes[c.Ref.Scope] > backends.MaxScopeBatch || all > backends.MaxBatch {
			batch.Lost = append(batch.Lost, c.Ref.Scope)
			all -= bytes[c.Ref.Scope]
		}
	}
	batch.Changes = slices.DeleteFunc(batch.Changes, func(c backends.Change) bool {
		return slices.Contains(batch.Lost, c.Ref.Scope)
	})
}
