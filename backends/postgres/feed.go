package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
)

var errFeedClosed = errors.New("postgres: the feed is closed")

// deafPoll is how often the feed looks while notifications are not heard.
const deafPoll = 150 * time.Millisecond

// lookEvery is the least time from a look that has found changes to the next. Under load one look then serves many commits; a lone commit
// is looked for at once.
const lookEvery = 5 * time.Millisecond

// readTime bounds one look at the log, so that a connection which is half open breaks the feed instead of stopping it.
const readTime = 10 * time.Second

// feed is a position in the log, as a snapshot.
type feed struct {
	backend *Backend
	poke    chan struct{} // holds one: a second poke before the look would find nothing more
	ctx     context.Context
	cancel  context.CancelFunc
	reading sync.WaitGroup
	level   bool      // nothing has happened since the last look began, unless there is a poke; the reader's
	looked  time.Time // when the last look that found changes ended; the reader's

	mu sync.Mutex
	at cursor
}

var _ backends.Feed = (*feed)(nil)

// Watch implements [backends.Backend].
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	f := &feed{backend: b, poke: make(chan struct{}, 1)}
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
	f.ctx, f.cancel = context.WithCancel(b.ctx)
	b.mu.Lock()
	b.feeds[f] = struct{}{}
	b.mu.Unlock()
	return f, nil
}

func (f *feed) Poke() {
	select {
	case f.poke <- struct{}{}:
	default:
	}
}

// poke has every feed of this process look at the log.
func (b *Backend) poke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for f := range b.feeds {
		f.Poke()
	}
}

func (f *feed) Cursor() backends.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// Next implements [backends.Feed].
func (f *feed) Next(ctx context.Context) (backends.Batch, error) {
	for {
		f.level = f.level && !f.wait(ctx)
		f.rest(ctx)
		if err := f.cause(ctx); err != nil {
			return backends.Batch{}, err
		}
		batch, moved, err := f.look(ctx)
		if err != nil {
			if cause := f.cause(ctx); cause != nil {
				err = cause // a look that was cut short failed for their reason
			}
			return backends.Batch{}, err
		}
		f.level = true
		if len(batch.Changes) > 0 {
			f.looked = time.Now()
		}
		if moved {
			return batch, nil
		}
	}
}

func (f *feed) cause(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.ctx.Err() != nil {
		return errFeedClosed
	}
	return nil
}

// wait ends when there may be something to tell; false if the waiting ended first.
func (f *feed) wait(ctx context.Context) bool {
	poll := time.NewTimer(f.backend.pollEvery())
	defer poll.Stop()
	select {
	case <-f.poke:
		return true
	case <-poll.C:
		return true
	case <-ctx.Done():
	case <-f.ctx.Done():
	}
	return false
}

// rest leaves some time after a look that has found changes.
func (f *feed) rest(ctx context.Context) {
	pause := lookEvery - time.Since(f.looked)
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.heard {
		return min(deafPoll, b.options.Poll)
	}
	return b.options.Poll
}

// look reads what has become visible since the feed's snapshot, and moves there.
func (f *feed) look(ctx context.Context) (batch backends.Batch, moved bool, err error) {
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
func (f *feed) advance(ctx context.Context, conn *pgx.Conn, from cursor) (batch backends.Batch, moved bool, err error) {
	var h head
	g := backends.NewGathering(backends.MaxScopeBatch, backends.MaxBatch)
	truncated := false
	trip := &pgx.Batch{}
	trip.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	trip.Queue(f.backend.sql(headSQL)).QueryRow(func(r pgx.Row) error {
		h, err = f.backend.scanHead(r)
		return err
	})
	trip.Queue(f.backend.sql(differenceSQL+bySeqSQL), from.snapshot.after()...).Query(func(rows pgx.Rows) error {
		truncated, err = f.backend.tell(rows, h.epoch, func(c backends.Change) error {
			g.Add(c)
			return nil
		})
		return err
	})
	trip.Queue("COMMIT")
	if err := errors.Join(conn.SendBatch(ctx, trip).Close(), err); err != nil {
		_ = conn.Close(ctx) // in the middle of a transaction
		return batch, false, err
	}
	switch _, expired := h.resumable(from); {
	case h.epoch == from.epoch && from.snapshot.contains(h.snapshot), len(h.Append(nil)) > maxCursor:
		return batch, false, nil // nothing new; or a cursor that clients could not carry, which shrinks as transactions end
	case expired != nil, truncated: // a crash, or nobody has read the feed for long
		return backends.Batch{LostAll: true, Cursor: h.cursor}, true, nil
	}
	return g.Batch(h.cursor), true, nil
}

// Close implements [backends.Feed].
func (f *feed) Close() error {
	f.cancel()
	f.backend.mu.Lock()
	delete(f.backend.feeds, f)
	f.backend.mu.Unlock()
	f.reading.Wait()
	return nil
}
