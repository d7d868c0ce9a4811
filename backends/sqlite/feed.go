package sqlite

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// feed follows the log from a position, on a connection of its own.
type feed struct {
	backend *Backend
	ctx     context.Context
	cancel  context.CancelFunc
	driverkit.Wakeup

	reading sync.Mutex // held while conn is in use; Close waits for it
	conn    *conn      // nil after Close
	version int64      // PRAGMA data_version as of the last read

	mu       sync.Mutex
	at       cursor
	local    []localGroup // commits of this process that Next has not returned yet
	weight   int          // of local
	lastRead time.Time    // when Next last read the database
}

var _ backends.Feed = (*feed)(nil)

// Watch implements [backends.Backend].
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	if err := b.life.Enter(ctx); err != nil {
		return nil, err
	}
	defer b.life.Leave()
	c, err := connect(ctx, b.options.Path, false, pragmas...)
	if err != nil {
		return nil, translate(ctx, "watch", err)
	}
	f := &feed{backend: b, Wakeup: driverkit.NewWakeup(), conn: c}
	if from == nil {
		f.at, err = b.newest(ctx, c)
	} else {
		f.at, err = b.resumable(ctx, c, from)
	}
	if err != nil {
		return nil, errors.Join(translate(ctx, "watch", err), c.close())
	}
	f.ctx, f.cancel = context.WithCancel(b.life.Context())
	b.feeds.Add(f)
	return f, nil
}

// Cursor implements [backends.Feed].
func (f *feed) Cursor() backends.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// Next implements [backends.Feed]. Commits of this process come from memory. To see whether others
// have committed costs one PRAGMA per poll.
func (f *feed) Next(ctx context.Context) (backends.Batch, error) {
	poll := time.NewTimer(f.backend.options.Poll)
	defer poll.Stop()
	for {
		if err := driverkit.FeedErr(ctx, f.ctx); err != nil {
			return backends.Batch{}, err
		}
		if batch, moved := f.takeLocal(); moved {
			return batch, nil
		}
		if f.readDue(time.Now()) {
			batch, moved, err := f.read(ctx)
			if err != nil {
				// A read that was cut short fails for the reason of whoever cut it.
				return batch, cmp.Or(driverkit.FeedErr(ctx, f.ctx), err)
			}
			if moved {
				return batch, nil
			}
		}
		select {
		case <-f.Wakeup:
		case <-poll.C:
			poll.Reset(f.backend.options.Poll)
		case <-ctx.Done():
		case <-f.ctx.Done():
		}
	}
}

// read moves the feed to the newest snapshot if another connection has committed.
func (f *feed) read(ctx context.Context) (batch backends.Batch, moved bool, err error) {
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.conn == nil {
		return batch, false, driverkit.ErrFeedClosed
	}
	// The version must be read before the rows. A commit in between is then seen twice; the other
	// way round it would be missed.
	var version int64
	if _, err := f.conn.one(context.Background(), "PRAGMA data_version", nil, &version); err != nil {
		return batch, false, translate(ctx, "watch", err)
	}
	if version == f.version {
		return batch, false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	err = f.conn.tx("BEGIN", func() error {
		batch, moved, err = f.advance(ctx)
		return err
	})
	if err != nil {
		return backends.Batch{}, false, translate(ctx, "watch", err)
	}
	f.version = version
	if moved {
		f.mu.Lock()
		f.at = batch.Cursor.(cursor) // takeLocal drops groups that do not follow on it
		f.mu.Unlock()
	}
	return batch, moved, nil
}

func (f *feed) advance(ctx context.Context) (batch backends.Batch, moved bool, err error) {
	b := f.backend
	to, err := b.newest(context.Background(), f.conn)
	if err != nil || to == f.at {
		return batch, false, err
	}
	// The position may be lost: retention has passed a feed that nobody read, or the file was
	// replaced.
	if _, err := b.resumable(context.Background(), f.conn, f.at); errors.Is(err, backends.ErrCursor) {
		return backends.Batch{LostAll: true, Cursor: to}, true, nil
	} else if err != nil {
		return batch, false, err
	}
	batch, err = b.difference(ctx, f.conn, f.at, to)
	return batch, true, err
}

// Close implements [backends.Feed].
func (f *feed) Close() error {
	f.cancel()
	f.backend.feeds.Remove(f)
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.conn == nil {
		return nil
	}
	c := f.conn
	f.conn = nil
	return c.close()
}
