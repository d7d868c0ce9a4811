package driverkit

import (
	"context"
	"errors"
	"sync"
)

// ErrFeedClosed answers Next after Close.
var ErrFeedClosed = errors.New("the feed is closed")

// FeedErr is the reason why a feed must stop waiting: the error of the caller's context, or
// ErrFeedClosed if the feed's own context has ended. It is nil while both last.
func FeedErr(caller, feed context.Context) error {
	if err := caller.Err(); err != nil {
		return err
	}
	if feed.Err() != nil {
		return ErrFeedClosed
	}
	return nil
}

// Wakeup wakes the one reader of a feed. It holds one signal: a second one before the reader looks
// would find nothing more.
type Wakeup chan struct{}

// NewWakeup returns a Wakeup without a signal.
func NewWakeup() Wakeup { return make(Wakeup, 1) }

// Poke never blocks.
func (w Wakeup) Poke() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Feeds is the open feeds of a backend. The zero value has none.
type Feeds[F comparable] struct {
	mu   sync.Mutex
	open map[F]struct{}
}

// Add adds a feed.
func (fs *Feeds[F]) Add(f F) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.open == nil {
		fs.open = map[F]struct{}{}
	}
	fs.open[f] = struct{}{}
}

// Remove removes a feed that is being closed.
func (fs *Feeds[F]) Remove(f F) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.open, f)
}

// Each calls do for every open feed. do must not block, nor call Add or Remove.
func (fs *Feeds[F]) Each(do func(F)) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for f := range fs.open {
		do(f)
	}
}
