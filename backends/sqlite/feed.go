package sqlite

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
)

var errFeedClosed = errors.New("sqlite: the feed is closed")

// feed follows the log from a position in memory, on a connection of its own.
type feed struct {
	backend *Backend
	poke    chan struct{} // holds one: a second poke before the read would find nothing more
	ctx     context.Context
	cancel  context.CancelFunc

	reading sync.Mutex // held while conn is in use, so that Close can wait for it
	conn    *conn
	version int64 // PRAGMA data_version as of the last read

	mu     sync.Mutex
	at     cursor
	own    []group   // of this process, not told yet; see own.go
	weight int       // of own
	looked time.Time // when the database was last looked at
}

var _ backends.Feed = (*feed)(nil)

// Watch implements [backends.Backend].
func (b *Backend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.running.Done()
	c, err := connect(ctx, b.options.Path, false, pragmas...)
	if err != nil {
		return nil, translate(ctx, "watch", err)
	}
	f := &feed{backend: b, poke: make(chan struct{}, 1), conn: c}
	if from == nil {
		f.at, err = b.newest(ctx, c)
	} else {
		f.at, err = b.resumable(ctx, c, from)
	}
	if err != nil {
		return nil, errors.Join(translate(ctx, "watch", err), c.close())
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

func (f *feed) Cursor() backends.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// Next implements [backends.Feed]. This process's own commits are told from memory; whether others have committed
// costs one PRAGMA per poll.
func (f *feed) Next(ctx context.Context) (backends.Batch, error) {
	poll := time.NewTimer(f.backend.options.Poll)
	defer poll.Stop()
	for {
		if err := cause(ctx, f.ctx); err != nil {
			return backends.Batch{}, err
		}
		if batch, moved := f.takeOwn(); moved {
			return batch, nil
		}
		if f.due(time.Now()) {
			batch, moved, err := f.read(ctx)
			if err != nil {
				return batch, cmp.Or(cause(ctx, f.ctx), err) // a read that was cut short failed for their reason
			}
			if moved {
				return batch, nil
			}
		}
		select {
		case <-f.poke:
		case <-poll.C:
			poll.Reset(f.backend.options.Poll)
		case <-ctx.Done():
		case <-f.ctx.Done():
		}
	}
}

func cause(caller, own context.Context) error {
	if err := caller.Err(); err != nil {
		return err
	}
	if own.Err() != nil {
		return errFeedClosed
	}
	return nil
}

// read looks for commits and, if there are any, moves to the newest snapshot.
func (f *feed) read(ctx context.Context) (batch backends.Batch, moved bool, err error) {
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.conn == nil {
		return batch, false, errFeedClosed
	}
	// The version is read before the rows: a commit in between is then seen twice rather than never.
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
		f.at = batch.Cursor.(cursor) // groups of before that do not follow on it are dropped by takeOwn
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
	// The history may have been cut past a feed that nobody read for long, or the file replaced underneath.
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
	f.backend.mu.Lock()
	delete(f.backend.feeds, f)
	f.backend.mu.Unlock()
	f.reading.Lock()
	defer f.reading.Unlock()
	if f.conn == nil {
		return nil
	}
	c := f.conn
	f.conn = nil
	return c.close()
}
