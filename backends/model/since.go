package model

import (
	"cmp"
	"context"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Since implements [backends.Backend].
func (b *Backend) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, maxBytes int,
) (batch backends.Batch, err error) {
	err = b.locked(ctx, func(db *store) error {
		at, err := db.resumable(from)
		if err != nil {
			return err
		}
		all := db.difference(at, db.snapshots[db.newest()], func(r protocol.Ref) bool { return r.Scope == s })
		if maxBytes > 0 && size(all.Changes) > maxBytes {
			return backends.ErrTooBig
		}
		batch = all
		return nil
	})
	return batch, err
}

// Gone implements [backends.Backend].
func (b *Backend) Gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) (gone []protocol.Ref, at backends.Cursor, err error) {
	err = b.locked(ctx, func(db *store) (err error) {
		begin, end := db.floor, db.snapshots[db.newest()]
		if from != nil {
			if begin, err = db.resumable(from); err != nil {
				return err
			}
		}
		gone, at = db.deleted(s, begin, end), cursor{db.epoch, end}
		if len(gone) > max {
			return backends.ErrTooBig
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return gone, at, nil
}

// deleted returns the documents of a scope that the log names between two snapshots and that the
// later one does not show.
func (s *store) deleted(scope protocol.Scope, from, to *snapshot) (gone []protocol.Ref) {
	seen := map[protocol.Ref]struct{}{}
	for _, x := range to.since(from) {
		for _, v := range s.log[x] {
			if _, again := seen[v.ref]; again || v.ref.Scope != scope {
				continue
			}
			seen[v.ref] = struct{}{}
			if now := visible(s.versions(v.ref), to); now == nil || now.doc == nil {
				gone = append(gone, v.ref)
			}
		}
	}
	return gone
}

// difference is the batch from one snapshot to a later one, for the documents wanted: the versions
// of all transactions that only the later snapshot shows, in the order in which they were written.
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
	batch.Lost = s.losePreImages(versions)
	merged := map[protocol.Ref]bool{}
	if s.dice.chance(s.options.Collapse) {
		versions = collapse(versions, merged)
	}
	if s.dice.chance(s.options.Mix) {
		s.mix(versions)
	}
	for _, v := range versions {
		if !slices.Contains(batch.Lost, v.ref.Scope) {
			c := s.change(v)
			c.Merged = merged[v.ref]
			batch.Changes = append(batch.Changes, c)
		}
	}
	return batch
}

// losePreImages picks scopes that are lost because the pre-image of a delete is missing.
func (s *store) losePreImages(versions []*version) (lost []protocol.Scope) {
	for _, v := range versions {
		if v.gone && s.dice.chance(s.options.PreImage) && !slices.Contains(lost, v.ref.Scope) {
			lost = append(lost, v.ref.Scope)
		}
	}
	return lost
}

// collapse leaves out states that a later one has replaced, and notes the documents in merged.
func collapse(versions []*version, merged map[protocol.Ref]bool) (last []*version) {
	seen := map[protocol.Ref]struct{}{}
	for _, v := range slices.Backward(versions) {
		if _, replaced := seen[v.ref]; replaced {
			merged[v.ref] = true
			continue
		}
		seen[v.ref] = struct{}{}
		last = append(last, v)
	}
	slices.Reverse(last)
	return last
}

// mix changes the order between documents. It keeps the order of each document.
func (s *store) mix(versions []*version) {
	rank := map[protocol.Ref]int{}
	for _, v := range versions {
		if _, ok := rank[v.ref]; !ok {
			rank[v.ref] = s.dice.Int()
		}
	}
	slices.SortStableFunc(versions, func(a, b *version) int { return cmp.Compare(rank[a.ref], rank[b.ref]) })
}

// change makes the change of a version. To readers, a withheld document does not exist.
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

// bound makes scopes lost that are too big for a batch.
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
