package mongodb

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	// awaitTime is how long the server waits for an event. So it is also how often an idle feed
	// learns how far the database has come.
	awaitTime = 100 * time.Millisecond
	// batchWeight is the weight from which on a batch is returned although more events have
	// arrived.
	batchWeight = 1 << 20
)

// feed is one change stream. Its own goroutine reads the stream: a read that is cut short would end
// it.
type feed struct {
	backend *Backend
	cancel  context.CancelFunc
	batches chan backends.Batch
	done    chan struct{} // closed when the stream has ended
	err     error         // the reason; set before done is closed

	mu sync.Mutex
	at cursor
}

var _ backends.Feed = (*feed)(nil)

// Watch implements [backends.Backend].
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	f := &feed{backend: b, batches: make(chan backends.Batch), done: make(chan struct{})}
	if from == nil {
		h, err := b.head(ctx, nil)
		if err != nil {
			return nil, err
		}
		f.at = h.cursor
	} else {
		if _, err := b.resumable(ctx, from); err != nil {
			return nil, err
		}
		f.at = from.(cursor)
		if err := b.inOplog(ctx, f.at); err != nil {
			return nil, err
		}
	}
	var s *stream
	err := b.do(ctx, "watch", func(ctx context.Context) (err error) {
		s, err = b.follow(ctx, f.at, awaitTime)
		return err
	})
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(b.life.Context())
	f.cancel = cancel
	b.life.Go(func() { f.run(inner, s, f.at) })
	return f, nil
}

// Poke implements [backends.Feed]. It has no effect: the server sends an event before it answers
// the writer.
func (f *feed) Poke() {}

// Cursor implements [backends.Feed].
func (f *feed) Cursor() backends.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// Next implements [backends.Feed].
func (f *feed) Next(ctx context.Context) (backends.Batch, error) {
	if err := ctx.Err(); err != nil {
		return backends.Batch{}, err
	}
	select {
	case batch := <-f.batches:
		f.mu.Lock()
		f.at = batch.Cursor.(cursor)
		f.mu.Unlock()
		return batch, nil
	case <-ctx.Done():
		return backends.Batch{}, ctx.Err()
	case <-f.done:
		return backends.Batch{}, f.err
	}
}

// Close implements [backends.Feed].
func (f *feed) Close() error {
	f.cancel()
	<-f.done
	return nil
}

// run hands batches to Next until the stream breaks or the feed is closed. After a break that costs
// clients their copies but not the feed, it hands out a batch that says so and opens a new stream.
func (f *feed) run(ctx context.Context, s *stream, at cursor) {
	defer close(f.done)
	for {
		err := f.readStream(ctx, s, &at)
		s.close(ctx)
		if ctx.Err() != nil {
			f.err = driverkit.ErrFeedClosed
			return
		}
		if s, err = f.recover(ctx, &at, err); err != nil {
			f.err = f.backend.translate(ctx, "watch", err)
			return
		}
	}
}

// readStream hands out batches until the stream breaks. at is the cursor of the last batch.
func (f *feed) readStream(ctx context.Context, s *stream, at *cursor) error {
	for {
		builder := driverkit.NewFeedBuilder()
		for more, weight := true, 0; more && weight < batchWeight; {
			var events []event
			var err error
			if events, more, err = s.next(ctx); err != nil {
				return err
			}
			who := authorsIn(events)
			for _, e := range events {
				changes, err := f.backend.changes(e, at.epoch, who)
				if err != nil {
					return err
				}
				for _, c := range changes {
					builder.Add(c)
					weight += driverkit.Weight(&c)
				}
			}
		}
		if s.at == at.at {
			continue
		}
		if err := f.handOut(ctx, builder.Batch(cursor{at.epoch, s.at})); err != nil {
			return err
		}
		at.at = s.at
	}
}

func (f *feed) handOut(ctx context.Context, batch backends.Batch) error {
	select {
	case f.batches <- batch:
		return nil
	case <-ctx.Done():
		return driverkit.ErrFeedClosed
	}
}

// recover opens a new stream after a break that lost the history of the old one, and hands out a
// batch that says that everything is lost. Any other error breaks the feed: its reader watches
// again from its last cursor.
func (f *feed) recover(ctx context.Context, at *cursor, err error) (*stream, error) {
	b := f.backend
	if hasCode(err, codeTooLarge) {
		if s, e := f.skipOversize(ctx, at); e == nil {
			return s, nil
		}
	}
	if !errors.Is(err, errDropped) && !errors.Is(err, errNoImage) &&
		!hasCode(err, codeHistoryLost, codeTooLarge) {
		return nil, err
	}
	b.options.Log.Warn("clients must list again: changes cannot be told one by one", "why", err)
	if err := b.ensureCollections(ctx); err != nil {
		return nil, err
	}
	if !errors.Is(err, errNoImage) {
		if err := b.advanceTime(ctx); err != nil {
			return nil, err
		}
	}
	h, err := b.head(ctx, nil)
	if err != nil {
		return nil, err
	}
	s, err := b.follow(ctx, h.cursor, awaitTime)
	if err != nil {
		return nil, err
	}
	if err := f.handOut(ctx, backends.Batch{LostAll: true, Cursor: h.cursor}); err != nil {
		s.close(ctx)
		return nil, err
	}
	*at = h.cursor
	return s, nil
}

// advanceTime moves the database's cluster time. A stream that began at the time at which the
// collection was replaced, or at that of an event that the server cannot send, would end there
// again.
func (b *Backend) advanceTime(ctx context.Context) error {
	_, err := b.database.Collection(metaName).UpdateOne(ctx, bson.D{{Key: "_id", Value: "lives"}},
		bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}}, options.UpdateOne().SetUpsert(true))
	return err
}
