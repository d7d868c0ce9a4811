package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Options say which file to open and how.
type Options struct {
	// Path is the database file; it and its directory are made if they do not exist.
	Path string
	// Retention is how long cursors can be resumed (default 24 h).
	Retention time.Duration
	// Log is told what an operator should know (default slog.Default).
	Log *slog.Logger
	// Withheld, if set, is called for each document that an outsider wrote and the JSON rules refuse, about once.
	Withheld func(protocol.Ref)
	// Committed, if set, is called after each commit of requests: how many it had, and how many wait.
	Committed func(requests, waiting int)
	// Poll is how often feeds look for commits of other processes (default 30 ms).
	Poll time.Duration
}

// Backend is one open SQLite file.
type Backend struct {
	options  Options
	database [8]byte
	withheld *backends.Withheld
	upserts  *indexes
	writer   *writer
	readers  chan *conn

	// ctx ends when Close begins; running counts calls and goroutines, which Close waits for.
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	feeds  map[*feed]struct{}

	swept []byte // where the house goes on in the memory of mutations; its own
}

var _ backends.Backend = (*Backend)(nil)

// Open opens the file, making it or bringing it up to date. It refuses a file of a newer version, of another
// program, or broken, and says what to do.
func Open(ctx context.Context, options Options) (*Backend, error) {
	options.complete()
	if err := prepare(ctx, options.Path); err != nil {
		return nil, err
	}
	b := &Backend{options: options, feeds: map[*feed]struct{}{}, upserts: newIndexes()}
	b.withheld = &backends.Withheld{Log: options.Log, Report: options.Withheld}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if err := b.connect(); err != nil {
		return nil, errors.Join(refused(options.Path, err), b.Close())
	}
	b.running.Go(b.writer.run)
	b.running.Go(func() { backends.KeepHouse(b.ctx, b.options.Log, b.clean) })
	return b, nil
}

func (o *Options) complete() {
	if o.Retention <= 0 {
		o.Retention = 24 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Committed == nil {
		o.Committed = func(int, int) {}
	}
	if o.Poll <= 0 {
		o.Poll = 30 * time.Millisecond
	}
}

func (b *Backend) connect() error {
	c, err := connect(b.ctx, b.options.Path, false, pragmas...)
	if err != nil {
		return err
	}
	b.writer = newWriter(b, c)
	readers := max(4, runtime.GOMAXPROCS(0))
	b.readers = make(chan *conn, readers)
	for range readers {
		c, err := connect(b.ctx, b.options.Path, false, pragmas...)
		if err != nil {
			return err
		}
		b.readers <- c
	}
	return b.identify(c)
}

// identify learns the database's own name, and fails if the file is not whole enough to have one.
func (b *Backend) identify(c *conn) error {
	var name []byte
	if _, err := c.one(b.ctx, "SELECT database FROM app_data_meta", nil, &name); err != nil {
		return err
	}
	if len(name) != len(b.database) {
		return errNoLog
	}
	copy(b.database[:], name)
	_, err := b.newest(b.ctx, c)
	return err
}

// Close implements [backends.Backend].
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.running.Wait()
	var errs []error
	for len(b.readers) > 0 {
		errs = append(errs, (<-b.readers).close())
	}
	if b.writer != nil && b.writer.conn != nil {
		errs = append(errs, b.writer.conn.close())
		b.writer.conn = nil
	}
	return errors.Join(errs...)
}

// Path is the file's.
func (b *Backend) Path() string { return b.options.Path }

// enter begins a call that Close waits for; the caller ends it with b.running.Done.
func (b *Backend) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	b.running.Add(1)
	return nil
}

// read runs f on a connection that nobody else uses meanwhile. f's context ends with the caller's or with b.
func (b *Backend) read(ctx context.Context, doing string, f func(context.Context, *conn) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.running.Done()
	select {
	case c := <-b.readers:
		defer func() { b.readers <- c }()
		err := f(ctx, c)
		c.shareCache()
		return translate(ctx, doing, err)
	case <-ctx.Done():
		return ctx.Err()
	case <-b.ctx.Done():
		return errClosed
	}
}

// snapshot is read in a transaction, for answers of several statements. They can be long: Close ends them.
func (b *Backend) snapshot(ctx context.Context, doing string, f func(context.Context, *conn) error) error {
	return b.read(ctx, doing, func(ctx context.Context, c *conn) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(b.ctx, cancel)()
		err := c.tx("BEGIN", func() error { return f(ctx, c) })
		if err != nil && b.ctx.Err() != nil {
			return errClosed
		}
		return err
	})
}
