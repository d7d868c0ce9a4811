package conformance_test

import (
	"context"
	"slices"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
)

// feeds plants a bug into every feed: mangle is given the batches one by one and returns those to
// tell instead.
func feeds(
	mangle func(*faultyFeed, backends.Batch) []backends.Batch,
) func(conformance.Harness) conformance.Harness {
	return with(func(f *faulty) {
		shared := &memory{}
		f.watch = func(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
			feed, err := f.Backend.Watch(ctx, from)
			if err != nil {
				return nil, err
			}
			return &faultyFeed{Feed: feed, b: f, mangle: mangle, memory: shared, at: feed.Cursor()}, nil
		}
	})
}

// memory is what the feeds of one backend share.
type memory struct {
	sync.Mutex
	old   []backends.Change
	count int
}

type faultyFeed struct {
	backends.Feed
	*memory
	b      *faulty
	mangle func(*faultyFeed, backends.Batch) []backends.Batch
	queue  []backends.Batch
	at     backends.Cursor
	begun  bool
}

func (f *faultyFeed) Cursor() backends.Cursor { return f.at }

func (f *faultyFeed) Next(ctx context.Context) (backends.Batch, error) {
	for len(f.queue) == 0 {
		batch, err := f.Feed.Next(ctx)
		if err != nil {
			return batch, err
		}
		f.Lock()
		f.queue = f.mangle(f, batch)
		f.begun = true
		f.Unlock()
	}
	batch := f.queue[0]
	f.queue, f.at = f.queue[1:], batch.Cursor
	return batch, nil
}

func skip(f *faultyFeed, b backends.Batch) []backends.Batch {
	b.Changes = slices.DeleteFunc(b.Changes, func(backends.Change) bool { f.count++; return f.count%9 == 0 })
	return []backends.Batch{b}
}

func reverse(_ *faultyFeed, b backends.Batch) []backends.Batch {
	slices.Reverse(b.Changes)
	return []backends.Batch{b}
}

func tear(_ *faultyFeed, b backends.Batch) []backends.Batch {
	first, rest := b, b
	first.Changes, rest.Changes = b.Changes[:len(b.Changes)/2], b.Changes[len(b.Changes)/2:]
	return []backends.Batch{first, rest}
}

func ahead(f *faultyFeed, b backends.Batch) []backends.Batch {
	if c, err := f.b.somewhere(context.Background()); err == nil && c.Reached(b.Cursor) {
		b.Cursor = c
	}
	return []backends.Batch{b}
}

// repeat begins every feed but the first with a change that an earlier one told.
func repeat(f *faultyFeed, b backends.Batch) []backends.Batch {
	if !f.begun && f.old != nil {
		b.Changes = append(slices.Clone(f.old), b.Changes...)
	}
	if len(b.Changes) > 0 {
		f.old = b.Changes[:1]
	}
	return []backends.Batch{b}
}

func hush(_ *faultyFeed, b backends.Batch) []backends.Batch {
	b.Lost, b.LostAll = nil, false
	return []backends.Batch{b}
}

func forgetAuthor(_ *faultyFeed, b backends.Batch) []backends.Batch {
	for i := range b.Changes {
		b.Changes[i].By = backends.Actor{}
	}
	return []backends.Batch{b}
}

func leak(_ *faultyFeed, b backends.Batch) []backends.Batch {
	for i := range b.Changes {
		b.Changes[i].Ref.Scope.Draft = false
	}
	return []backends.Batch{b}
}
