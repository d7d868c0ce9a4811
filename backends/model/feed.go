package model

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// feed walks through the store's snapshots, in steps as long as the dice say.
type feed struct {
	b      *Backend
	at     *snapshot // under the store's lock
	broken error
	poke   chan struct{}
	closed chan struct{}
	close  sync.Once
}

var errBroken = protocol.Errorf(protocol.CodeUnavailable, "the feed broke: watch again")

// Watch follows all scopes.
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if inner.Err() != nil {
		return nil, b.explain(ctx, inner.Err())
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	f := &feed{b: b, poke: make(chan struct{}, 1), closed: make(chan struct{})}
	if f.at, err = b.store.start(from); err != nil {
		return nil, err
	}
	return f, nil
}

// start is where a feed begins: without a cursor anywhere that shows all answered writes.
func (s *store) start(from backends.Cursor) (*snapshot, error) {
	if from != nil {
		return s.resumable(from)
	}
	low, err := s.oldest(nil)
	return s.snapshots[s.anyFrom(low)], err
}

// Next tells some of what has been committed since the last batch.
func (f *feed) Next(ctx context.Context) (backends.Batch, error) {
	inner, leave, err := f.b.enter(ctx)
	if err != nil {
		return backends.Batch{}, err
	}
	defer leave()
	for inner.Err() == nil {
		batch, ready, changed := f.step()
		if ready || f.broken != nil {
			return batch, f.broken
		}
		select {
		case <-changed:
		case <-f.poke:
		case <-f.closed:
			f.broken = errBroken
		case <-inner.Done():
		}
	}
	return backends.Batch{}, f.b.explain(ctx, inner.Err())
}

// step is the next batch, if there is one.
func (f *feed) step() (batch backends.Batch, ready bool, changed <-chan struct{}) {
	s := f.b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	here, newest := s.passed(f.at), s.newest()
	if f.broken == nil && s.dice.chance(s.options.Break) {
		f.broken = errBroken
	}
	switch {
	case f.broken != nil || here >= newest:
		return batch, false, s.changed
	case !f.at.contains(s.floor):
		f.at = s.snapshots[s.dice.between(s.reached(s.floor), newest)]
		return backends.Batch{LostAll: true, Cursor: cursor{s.epoch, f.at}}, true, nil
	}
	to := s.snapshots[s.dice.between(here+1, newest)]
	batch = s.difference(f.at, to, func(protocol.Ref) bool { return true })
	bound(&batch)
	f.at = to
	return batch, true, nil
}

func (f *feed) Poke() {
	select {
	case f.poke <- struct{}{}:
	default: // one is waiting, and it will see everything
	}
}

func (f *feed) Cursor() backends.Cursor {
	f.b.store.mu.Lock()
	defer f.b.store.mu.Unlock()
	return cursor{f.b.store.epoch, f.at}
}

func (f *feed) Close() error {
	f.close.Do(func() { close(f.closed) })
	return nil
}
