package model

import (
	"context"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// feed moves through the store's snapshots. The dice decide how far each step goes.
type feed struct {
	driverkit.Wakeup
	b      *Backend
	at     *snapshot // guarded by the store's lock
	broken error
	closed chan struct{}
	close  sync.Once
}

var errBroken = protocol.Errorf(protocol.CodeUnavailable, "the feed broke: watch again")

// Watch implements [backends.Backend].
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	f := &feed{b: b, Wakeup: driverkit.NewWakeup(), closed: make(chan struct{})}
	err := b.locked(ctx, func(s *store) (err error) {
		f.at, err = s.start(from)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// start is where a feed begins. Without a cursor, that is any snapshot that shows all answered
// writes.
func (s *store) start(from backends.Cursor) (*snapshot, error) {
	if from != nil {
		return s.resumable(from)
	}
	low, err := s.oldest(nil)
	return s.snapshots[s.anyFrom(low)], err
}

// Next implements [backends.Feed]. It returns some of what has been committed since the last batch.
func (f *feed) Next(ctx context.Context) (batch backends.Batch, err error) {
	err = f.b.call(ctx, func(ctx context.Context) error {
		for ctx.Err() == nil {
			next, ready, changed := f.step()
			if ready || f.broken != nil {
				batch = next
				return f.broken
			}
			select {
			case <-changed:
			case <-f.Wakeup:
			case <-f.closed:
				f.broken = errBroken
			case <-ctx.Done():
			}
		}
		return ctx.Err()
	})
	return batch, err
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

func (f *feed) Cursor() backends.Cursor {
	f.b.store.mu.Lock()
	defer f.b.store.mu.Unlock()
	return cursor{f.b.store.epoch, f.at}
}

func (f *feed) Close() error {
	f.close.Do(func() { close(f.closed) })
	return nil
}
