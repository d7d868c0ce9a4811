package hub

import (
	"context"
	"errors"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/retry"
)

// Poke tells the feed that this process has just committed.
func (h *Hub) Poke() { h.currentFeed().Poke() }

func (h *Hub) currentFeed() backends.Feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.feed
}

// reopen replaces a broken feed. It tries until that works or ctx ends.
func (h *Hub) reopen(ctx context.Context, cause error) {
	if ctx.Err() != nil {
		return
	}
	h.setBroken(true)
	h.log.Warn("the feed broke; opening it again", "error", cause)
	_ = h.currentFeed().Close()
	_ = retry.Do(ctx, retry.Always, func(ctx context.Context) error { // its only error is ctx's end
		err := h.watch(ctx)
		if err != nil && ctx.Err() == nil {
			h.log.Warn("the feed cannot be opened yet", "error", err)
		}
		return err
	})
}

// watch opens the feed at the last cursor. Where that has expired it opens the feed at now, and
// every copy is void.
func (h *Hub) watch(ctx context.Context) error {
	feed, err := h.source.Watch(ctx, h.Cursor())
	lost := errors.Is(err, backends.ErrCursor)
	if lost {
		feed, err = h.source.Watch(ctx, nil)
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.feed = feed
	h.mu.Unlock()
	h.setBroken(false)
	if lost {
		h.deliver(backends.Batch{LostAll: true, Cursor: feed.Cursor()})
	}
	return nil
}
