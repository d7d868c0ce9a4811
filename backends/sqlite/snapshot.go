package sqlite

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// read runs f on a reader's connection. f must end soon after ctx does; Close waits for it.
func (b *Backend) read(ctx context.Context, doing string, f func(context.Context, *conn) error) error {
	if err := b.life.Enter(ctx); err != nil {
		return err
	}
	defer b.life.Leave()
	select {
	case c := <-b.readers:
		defer func() { b.readers <- c }()
		err := f(ctx, c)
		c.shareCache()
		return translate(ctx, doing, err)
	case <-ctx.Done():
		return ctx.Err()
	case <-b.life.Context().Done():
		return driverkit.ErrClosed
	}
}

// snapshot is read for several statements that must see one snapshot. They can take long, so Close
// ends f's context.
func (b *Backend) snapshot(ctx context.Context, doing string, f func(context.Context, *conn) error) error {
	return b.read(ctx, doing, func(ctx context.Context, c *conn) error {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(b.life.Context(), cancel)()
		return b.life.Explain(ctx, c.tx("BEGIN", func() error { return f(inner, c) }))
	})
}

// reached is the cursor of the connection's snapshot. It fails with ErrCursor if the snapshot has
// not reached notBefore. Readers of SQLite see every commit at once, so that happens only when the
// file was replaced underneath.
func (b *Backend) reached(c *conn, notBefore backends.Cursor) (backends.Cursor, error) {
	at, err := b.newest(context.Background(), c)
	if err != nil {
		return nil, err
	}
	if notBefore != nil && !at.Reached(notBefore) {
		return nil, backends.ErrCursor
	}
	return at, nil
}
