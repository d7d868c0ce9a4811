package mongodb

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
)

const (
	// awaitTime is how long the server waits for something to tell, and so how often an idle feed learns how far the
	// database has come.
	awaitTime = 100 * time.Millisecond
	// told is how many bytes of documents one batch holds at least before it is given out although more has come.
	told = 1 << 20
)

// feed is one change stream. A goroutine of its own reads it, for a read that is cut short ends the stream.
type feed struct {
	backend *Backend
	cancel  context.CancelFunc
	batches chan backends.Batch
	done    chan struct{} // closed when the stream has ended
	err     error         // why; set before done is closed

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
		if err := b.logged(ctx, f.at); err != nil {
			return nil, err
		}
	}
	var s *stream
	inner, cancel := context.WithCancel(b.ctx)
	err := b.do(ctx, "watch", func(ctx context.Context) (err error) {
		s, err = b.follow(ctx, f.at, awaitTime)
		return err
	})
	if err != nil {
		cancel()
		return nil, err
	}
	f.cancel = cancel
	b.running.Go(func() { f.read(inner, s, f.at) })
	return f, nil
}

// Poke implements [backends.Feed]: the server tells of a commit before its writer is answered.
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

// read gives out batches until the stream breaks or the feed is closed. What costs clients their copies, but not the feed,
// is a batch that says so; the stream begins anew after it.
func (f *feed) read(ctx context.Context, s *stream, at cursor) {
	defer close(f.done)
	for {
		err := f.tell(ctx, s, &at)
		s.close(ctx)
		if ctx.Err() != nil {
			f.err = errFeedClosed
			return
		}
		if s, err = f.recover(ctx, &at, err); err != nil {
			f.err = translate(ctx, "watch", err)
			return
		}
	}
}

// tell gives out batches until something breaks. at is the last one's cursor.
func (f *feed) tell(ctx context.Context, s *stream, at *cursor) error {
	for {
		g := backends.NewGathering(backends.MaxScopeBatch, backends.MaxBatch)
		for more, size := true, 0; more && size < told; {
			var events []event
			var err error
			if events, more, err = s.next(ctx); err != nil {
				return err
			}
			for _, e := range events {
				changes, err := f.backend.changes(e, at.epoch)
				if err != nil {
					return err
				}
				for _, c := range changes {
					g.Add(c)
					size += backends.Weight(&c)
				}
			}
		}
		if s.at == at.at {
			continue
		}
		if err := f.give(ctx, g.Batch(cursor{at.epoch, s.at})); err != nil {
			return err
		}
		at.at = s.at
	}
}

func (f *feed) give(ctx context.Context, batch backends.Batch) error {
	select {
	case f.batches <- batch:
		return nil
	case <-ctx.Done():
		return errFeedClosed
	}
}

// recover opens a stream anew, after telling that everything is lost, where the old one's history is. Of any other error
// the feed breaks: its reader watches again from its last cursor.
func (f *feed) recover(ctx context.Context, at *cursor, err error) (*stream, error) {
	b := f.backend
	if hasCode(err, codeTooLarge) {
		if s, passed := f.pass(ctx, at); passed == nil {
			return s, nil
		}
	}
	if !errors.Is(err, errDropped) && !errors.Is(err, errNoImage) && !hasCode(err, codeHistoryLost, codeTooLarge) {
		return nil, err
	}
	b.options.Log.Warn("clients must list again: changes cannot be told one by one", "why", err)
	if err := b.settleIn(ctx); err != nil {
		return nil, err
	}
	if !errors.Is(err, errNoImage) {
		if err := b.mark(ctx); err != nil {
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
	if err := f.give(ctx, backends.Batch{LostAll: true, Cursor: h.cursor}); err != nil {
		s.close(ctx)
		return nil, err
	}
	*at = h.cursor
	return s, nil
}

// mark moves the database's time: a stream that begins at the very time at which the collection was replaced, or of an event
// that the server cannot send, would end there again.
func (b *Backend) mark(ctx context.Context) error {
	_, err := b.database.Collection(metaName).UpdateOne(ctx, bson.D{{Key: "_id", Value: "lives"}},
		bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: int64(1)}}}}, options.UpdateOne().SetUpsert(true))
	return err
}
