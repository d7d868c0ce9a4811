package model

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// maxOpen is how many transactions may be open at once. Others wait. It keeps cursors short.
const maxOpen = 64

// errLocked means that another transaction holds a lock that this one needs.
var errLocked = errors.New("locked")

// transaction is an open transaction. Until it commits, only it sees what it has written.
type transaction struct {
	*store
	xid   xid
	locks []any
	wrote []*version
	own   map[protocol.Ref]*version // the last version of wrote, by document
	// atCommit has further effects of the commit.
	atCommit []func()
}

// The locks of a transaction, besides those on a protocol.Ref.
type (
	// upsertLock keeps two upserts by filter from both finding nothing.
	upsertLock struct {
		scope      protocol.Scope
		collection string
	}
	// mutationKey locks a mutation, and is its key.
	mutationKey struct {
		scope               protocol.Scope
		principal, mutation string
	}
)

// transact runs body in a transaction. The transaction begins, waits until body finds all its locks
// free, stays open for a while and commits. transact returns the index of the first snapshot that
// shows the effects.
//
// body runs under the store's lock, and runs again after it has met a lock. So it must have no
// effects except through the transaction. It takes all locks at once or none, so there are no
// deadlocks.
func (s *store) transact(ctx context.Context, body func(*transaction) error) (int, error) {
	t, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	for {
		held, err := t.run(body)
		switch {
		case errors.Is(err, errLocked):
			err = wait(ctx, held.changed)
		case err == nil && held.victim:
			t.rollback()
			if t, err = s.begin(ctx); err != nil {
				return 0, err
			}
			continue
		case err == nil:
			return t.finish(ctx, held.time)
		}
		if err != nil {
			t.rollback()
			return 0, err
		}
	}
}

func (s *store) begin(ctx context.Context) (*transaction, error) {
	for {
		s.mu.Lock()
		if len(s.open) < maxOpen {
			t := &transaction{store: s, xid: s.next}
			s.open[t.xid] = struct{}{}
			s.next++
			s.record()
			s.mu.Unlock()
			return t, nil
		}
		changed := s.changed
		s.mu.Unlock()
		if err := wait(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// hold is what the dice decide for a transaction that has its locks.
type hold struct {
	changed <-chan struct{}
	victim  bool          // roll back and run again
	time    time.Duration // until the commit
}

func (t *transaction) run(body func(*transaction) error) (h hold, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrote, t.own, t.atCommit = nil, map[protocol.Ref]*version{}, nil
	if err = body(t); err != nil {
		t.release()
		return hold{changed: t.changed}, err
	}
	h.victim = t.dice.chance(t.options.Retry)
	if t.dice.chance(t.options.Hold) {
		h.time = time.Duration(t.dice.Int64N(int64(t.options.MaxHold) + 1))
	}
	return h, nil
}

// finish commits after a time. If ctx ends first, the transaction commits or is rolled back.
func (t *transaction) finish(ctx context.Context, d time.Duration) (int, error) {
	err := ctx.Err()
	if d > 0 && err == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	t.mu.Lock()
	unlucky := err != nil && t.dice.chance(500)
	t.mu.Unlock()
	if unlucky {
		t.rollback()
		return 0, err
	}
	return t.commit(), err
}

func (t *transaction) commit() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.wrote {
		t.add(v)
	}
	for _, effect := range t.atCommit {
		effect()
	}
	t.release()
	delete(t.open, t.xid)
	t.newMark()
	t.record()
	return t.newest()
}

func (t *transaction) rollback() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release()
	delete(t.open, t.xid)
	t.record()
}

// lock takes a lock until the transaction ends.
func (t *transaction) lock(key any) error {
	switch holder, held := t.store.locks[key]; {
	case held && holder != t.xid:
		return errLocked
	case !held:
		t.store.locks[key] = t.xid
		t.locks = append(t.locks, key)
	}
	return nil
}

func (t *transaction) release() {
	for _, key := range t.locks {
		delete(t.store.locks, key)
	}
	t.locks = nil
}

// current is the last version of a document that the transaction sees.
func (t *transaction) current(r protocol.Ref) *version {
	if v, ok := t.own[r]; ok {
		return v
	}
	if versions := t.versions(r); len(versions) > 0 {
		return versions[len(versions)-1]
	}
	return nil
}

// put writes a new version. The caller has the document's lock, so the seq of its versions is in
// commit order.
func (t *transaction) put(v *version) {
	t.seq++
	v.xid, v.seq = t.xid, t.seq
	t.wrote, t.own[v.ref] = append(t.wrote, v), v
}

// wait waits until changed is closed, or fails with ctx's error.
func wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
