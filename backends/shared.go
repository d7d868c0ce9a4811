package backends

import (
	"context"
	"sync"
	"time"
)

// sharedTime bounds a read that many wait for. Who asks while one is under way waits for two, which must fit into the 10 s of a
// request: a server that has gone silent is told of by then.
const sharedTime = 5 * time.Second

// Shared has one read at a time of something, each for all who asked before it began. A fleet of clients that come back at
// once would otherwise cost a read each.
type Shared[T any] struct {
	// Enter begins a call that Close waits for; leave ends it.
	Enter func(ctx context.Context) (inner context.Context, leave func(), err error)
	// Load is the read.
	Load func(ctx context.Context) (T, error)

	loading sync.Mutex // held by the read under way
	mu      sync.Mutex
	next    *sharedRead[T] // the read after it
}

// sharedRead is one read.
type sharedRead[T any] struct {
	done  chan struct{} // closed when the rest is set
	value T
	err   error
}

// Read is what a read found that began after the call did. It fails as Load and Enter do, and with ctx's error when that ends.
func (s *Shared[T]) Read(ctx context.Context) (value T, err error) {
	r, err := s.join()
	if err != nil {
		return value, err
	}
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

// join is the read that has not begun; who is the first to want one starts it.
func (s *Shared[T]) join() (*sharedRead[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		inner, leave, err := s.Enter(context.Background())
		if err != nil {
			return nil, err
		}
		r := &sharedRead[T]{done: make(chan struct{})}
		s.next = r
		go func() {
			defer leave()
			s.carryOut(inner, r)
		}()
	}
	return s.next, nil
}

func (s *Shared[T]) carryOut(ctx context.Context, r *sharedRead[T]) {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.Lock()
	s.next = nil // who asks from here on may have seen more than this read will
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sharedTime)
	defer cancel()
	r.value, r.err = s.Load(ctx)
	close(r.done)
}
