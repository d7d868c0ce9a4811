package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// Options of Open.
type Options struct {
	// Path is the database file. Open makes it and its directory if they do not exist.
	Path string
	// Retention is how long cursors can be resumed (default 24 h).
	Retention time.Duration
	// Log gets what an operator should know (default slog.Default).
	Log *slog.Logger
	// Withheld, if set, is called about once for each document that another program wrote and that
	// the JSON rules refuse.
	Withheld func(protocol.Ref)
	// Committed, if set, is called after each commit with the number of requests in it and the
	// number of requests that wait.
	Committed func(requests, waiting int)
	// Poll is how often feeds look for commits of other processes (default 30 ms).
	Poll time.Duration
}

// Backend is one open SQLite file.
type Backend struct {
	options  Options
	database [8]byte // the name of the database, in cursors
	withheld *driverkit.Withheld
	upserts  *indexes
	writer   *writer
	readers  chan *conn
	life     *driverkit.Lifetime
	feeds    driverkit.Feeds[*feed]

	sweepFrom []byte // the key after which maintenance goes on in the mutations; its own
	auditFrom string // the same for rows of the audit trail
}

var _ backends.Backend = (*Backend)(nil)

// Open opens the file. It makes a file that does not exist, and brings an older schema up to date.
// It fails on a file of a newer version, of another program, or damaged; the error says what to do.
func Open(ctx context.Context, options Options) (*Backend, error) {
	driverkit.Complete(&options.Retention, &options.Log, &options.Committed)
	if options.Poll <= 0 {
		options.Poll = 30 * time.Millisecond
	}
	if err := prepare(ctx, options.Path); err != nil {
		return nil, err
	}
	b := &Backend{options: options, upserts: newIndexes(), life: driverkit.NewLifetime()}
	b.withheld = &driverkit.Withheld{Log: options.Log, Report: options.Withheld}
	if err := b.connect(); err != nil {
		return nil, errors.Join(refused(options.Path, err), b.Close())
	}
	guard, err := newGuard(ctx, b)
	if err != nil {
		return nil, errors.Join(refused(options.Path, err), b.Close())
	}
	b.writer.queue.Start(b.life, 1, b.writer.runGroup)
	b.life.Go(guard.run)
	b.life.Go(func() { driverkit.RunMaintenance(b.life.Context(), b.options.Log, b.clean) })
	return b, nil
}

// connect opens the writer's connection and those of readers.
func (b *Backend) connect() error {
	ctx := b.life.Context()
	c, err := connect(ctx, b.options.Path, false, pragmas...)
	if err != nil {
		return err
	}
	b.writer = newWriter(b, c)
	readers := max(4, runtime.GOMAXPROCS(0))
	b.readers = make(chan *conn, readers)
	for range readers {
		c, err := connect(ctx, b.options.Path, false, pragmas...)
		if err != nil {
			return err
		}
		b.readers <- c
	}
	return b.identify(c)
}

// identify reads the database's name. It fails if the file lacks what every database of ours has.
func (b *Backend) identify(c *conn) error {
	var name []byte
	if _, err := c.one(b.life.Context(), "SELECT database FROM app_data_meta", nil, &name); err != nil {
		return err
	}
	if len(name) != len(b.database) {
		return errNoLog
	}
	copy(b.database[:], name)
	_, err := b.newest(b.life.Context(), c)
	return err
}

// Close implements [backends.Backend].
func (b *Backend) Close() error {
	b.life.Close()
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

// Path is the path of the file.
func (b *Backend) Path() string { return b.options.Path }
