package limits

import (
	"context"
	"slices"
	"sync"
)

// Small is up to how many bytes a request for room is small: it passes large ones that wait, and an
// eighth of every budget is kept for it.
const Small = 64 << 10

// Budget bounds bytes of one kind, over all connections: what is held for clients, or what is being
// parsed. Room is given in the order of asking, but for small requests.
type Budget struct {
	size int

	mu    sync.Mutex
	held  int
	small []*waiter
	large []*waiter
}

// waiter waits for room.
type waiter struct {
	bytes int
	given chan struct{} // closed once it has the room
}

// NewBudget has room for size bytes.
func NewBudget(size int) *Budget { return &Budget{size: size} }

// Size is how many bytes the budget has room for.
func (b *Budget) Size() int { return b.size }

// TryAcquire is Acquire where there is room at once. ok is false where there is none.
func (b *Budget) TryAcquire(n int) (room int, ok bool) {
	n = b.most(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fits(n) || n > Small && len(b.large) > 0 {
		return 0, false
	}
	b.held += n
	return n, true
}

// Acquire waits for room for n bytes until ctx ends, and fails with ctx's error. More than the
// budget has for one request counts as all of that. The caller gives back what Acquire returns, by
// Release.
func (b *Budget) Acquire(ctx context.Context, n int) (room int, err error) {
	if room, ok := b.TryAcquire(n); ok {
		return room, nil
	}
	w := &waiter{bytes: b.most(n), given: make(chan struct{})}
	b.mu.Lock()
	queue := b.queueOf(w)
	*queue = append(*queue, w)
	b.give() // room may have come since
	b.mu.Unlock()
	select {
	case <-w.given:
		return w.bytes, nil
	case <-ctx.Done():
		return b.giveUp(ctx, w)
	}
}

// giveUp leaves the queue, unless the room was given meanwhile.
func (b *Budget) giveUp(ctx context.Context, w *waiter) (room int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.queueOf(w)
	i := slices.Index(*queue, w)
	if i < 0 {
		return w.bytes, nil
	}
	*queue = slices.Delete(*queue, i, i+1)
	b.give() // the next one may want less
	return 0, ctx.Err()
}

// Take holds n bytes that are there already, even beyond the budget. Whoever asks afterwards waits
// until there is room again.
func (b *Budget) Take(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held += n
}

// Release gives room back.
func (b *Budget) Release(n int) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= n
	b.give()
}

// Held is how many bytes are held now.
func (b *Budget) Held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// give gives room to those who wait and have it now, small ones first. The caller holds mu.
func (b *Budget) give() {
	for _, queue := range []*[]*waiter{&b.small, &b.large} {
		for len(*queue) > 0 && b.fits((*queue)[0].bytes) {
			w := (*queue)[0]
			*queue = slices.Delete(*queue, 0, 1)
			b.held += w.bytes
			close(w.given)
		}
	}
}

func (b *Budget) fits(n int) bool { return b.held+n <= b.roomFor(n) }

// most is what a request for n bytes gets.
func (b *Budget) most(n int) int { return min(n, b.roomFor(n)) }

// roomFor is how far a request for n bytes may fill the budget.
func (b *Budget) roomFor(n int) int {
	if n <= Small {
		return b.size
	}
	return b.size - b.size/8
}

func (b *Budget) queueOf(w *waiter) *[]*waiter {
	if w.bytes <= Small {
		return &b.small
	}
	return &b.large
}
