package postgres

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	// fallbackPoll is how often a feed reads the log while notifications do not arrive.
	fallbackPoll = 150 * time.Millisecond
	// minReadGap is the time from a read that found changes to the next one. Under load, one read
	// then serves many commits. A feed that is idle reads at once.
	minReadGap = 5 * time.Millisecond
	// readTime bounds one read of the log. A connection that is half open then breaks the feed;
	// otherwise it would stop it.
	readTime = 10 * time.Second
)

// feed is a position in the log, as a snapshot.
type feed struct {
	backend *Backend
	ctx     context.Context
	cancel  context.CancelFunc
	driverkit.Wakeup
	reading sync.WaitGroup // reads of the log; Close waits for them

	// State of Next.
	caughtUp    bool      // nothing has happened since the last read began, unless there is a poke
	lastChanges time.Time // when the last read ended that found changes

	mu sync.Mutex
	at cursor
}

var _ backends.Feed = (*feed)(nil)

// Watch implements [backends.Backend].
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	f := &feed{backend: b, Wakeup: driverkit.NewWakeup()}
	err := b.read(ctx, "watch", func(ctx context.Context, q querier) error {
		h, err := b.head(ctx, q)
		if err != nil {
			return err
		}
		f.at = h.cursor
		if from != nil {
			f.at, err = h.resumable(from)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f.ctx, f.cancel = context.WithCancel(b.life.Context())
	b.feeds.Add(f)
	return f, nil
}

// poke makes every feed of this process read the log.
func (b *Backend) poke() { b.feeds.Each(func(f *feed) { f.Poke() }) }

// Cursor implements [backends.Feed].
func (f *feed) Cursor() backends.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// Next implements [backends.Feed].
func (f *feed) Next(ctx context.Context) (backends.Batch, error) {
	for {
		f.caughtUp = f.caughtUp && !f.wait(ctx)
		f.rest(ctx)
		if err := driverkit.FeedErr(ctx, f.ctx); err != nil {
			return backends.Batch{}, err
		}
		batch, moved, err := f.read(ctx)
		if err != nil {
			// A read that was cut short fails for the reason of whoever cut it.
			return backends.Batch{}, cmp.Or(driverkit.FeedErr(ctx, f.ctx), err)
		}
		f.caughtUp = true
		if len(batch.Changes) > 0 {
			f.lastChanges = time.Now()
		}
		if moved {
			return batch, nil
		}
	}
}

// wait returns true when there may be changes, and false if ctx or the feed ends first.
func (f *feed) wait(ctx context.Context) bool {
	poll := time.NewTimer(f.backend.pollEvery())
	defer poll.Stop()
	select {
	case <-f.Wakeup:
		return true
	case <-poll.C:
		return true
	case <-ctx.Done():
	case <-f.ctx.Done():
	}
	return false
}

// rest waits until minReadGap has passed since the last changes.
func (f *feed) rest(ctx context.Context) {
	pause := minReadGap - time.Since(f.lastChanges)
	if pause <= 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-f.ctx.Done():
	}
}

func (b *Backend) pollEvery() time.Duration {
	if !b.listening.Load() {
		return min(fallbackPoll, b.options.Poll)
	}
	return b.options.Poll
}

// read reads what has become visible since the feed's snapshot, and moves the feed there.
func (f *feed) read(ctx context.Context) (batch backends.Batch, moved bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	f.reading.Add(1)
	defer f.reading.Done()
	from := f.Cursor().(cursor)
	err = f.backend.read(ctx, "watch", func(ctx context.Context, q querier) error {
		batch, moved, err = f.advance(ctx, q.(*pgx.Conn), from)
		return err
	})
	if err != nil || !moved {
		return batch, false, err
	}
	f.mu.Lock()
	f.at = batch.Cursor.(cursor)
	f.mu.Unlock()
	return batch, true, nil
}

// advance reads the batch from the feed's snapshot to a new one, in one round trip.
func (f *feed) advance(
	ctx context.Context, conn *pgx.Conn, from cursor,
) (batch backends.Batch, moved bool, err error) {
	var h head
	b, builder, truncated := f.backend, driverkit.NewFeedBuilder(), false
	trip := &pgx.Batch{}
	trip.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	trip.Queue(b.sql(headSQL)).QueryRow(func(r pgx.Row) error {
		h, err = scanHead(r)
		return err
	})
	trip.Queue(b.sql(differenceSQL+bySeqSQL), from.snapshot.after()...).Query(func(rows pgx.Rows) error {
		truncated, err = b.scanChanges(rows, h.epoch, func(c backends.Change) error {
			builder.Add(c)
			return nil
		})
		return err
	})
	trip.Queue("COMMIT")
	if err := errors.Join(conn.SendBatch(ctx, trip).Close(), err); err != nil {
		_ = conn.Close(ctx) // a transaction is open on it
		return batch, false, err
	}
	switch _, expired := h.resumable(from); {
	case h.epoch == from.epoch && from.snapshot.contains(h.snapshot):
		return batch, false, nil // there is nothing new
	case len(h.Append(nil)) > maxCursor:
		return batch, false, nil // clients could not carry the cursor; it shrinks when transactions end
	case expired != nil, truncated: // the server has crashed, or nobody has read the feed for long
		return backends.Batch{LostAll: true, Cursor: h.cursor}, true, nil
	}
	return builder.Batch(h.cursor), true, nil
}

// Close implements [backends.Feed].
func (f *feed) Close() error {
	f.cancel()
	f.backend.feeds.Remove(f)
	f.reading.Wait()
	return nil
}
