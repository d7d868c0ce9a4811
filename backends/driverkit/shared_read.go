package driverkit

import (
	"context"
	"sync"
	"time"
)

// sharedTime bounds a shared read. A caller that arrives during a read waits for that read and for
// the next one; both must fit into the 10 s of a request, also on a server that has gone silent.
const sharedTime = 5 * time.Second

// SharedRead runs one read at a time and gives its result to all callers that asked before it
// began. Many clients that reconnect at once would otherwise cost a read each.
type SharedRead[T any] struct {
	// Enter admits a read; see [Lifetime.EnterContext].
	Enter func(ctx context.Context) (inner context.Context, leave func(), err error)
	// Load is the read.
	Load func(ctx context.Context) (T, error)

	loading sync.Mutex // held by the read under way
	mu      sync.Mutex
	next    *pendingRead[T] // the read after it
}

// pendingRead is one read and its result.
type pendingRead[T any] struct {
	done  chan struct{} // closed when the rest is set
	value T
	err   error
}

// Read returns the result of a read that began after the call did. It fails as Load and Enter do,
// and with ctx's error when ctx ends first.
func (s *SharedRead[T]) Read(ctx context.Context) (value T, err error) {
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

// join returns the read that has not begun. The first caller to want one starts it.
func (s *SharedRead[T]) join() (*pendingRead[T], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		inner, leave, err := s.Enter(context.Background())
		if err != nil {
			return nil, err
		}
		r := &pendingRead[T]{done: make(chan struct{})}
		s.next = r
		go func() {
			defer leave()
			s.run(inner, r)
		}()
	}
	return s.next, nil
}

func (s *SharedRead[T]) run(ctx context.Context, r *pendingRead[T]) {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.Lock()
	s.next = nil // a later caller may have seen more than this read will
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sharedTime)
	defer cancel()
	r.value, r.err = s.Load(ctx)
	close(r.done)
}
