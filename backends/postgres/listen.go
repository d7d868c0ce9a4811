package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// listenCheck is how often a quiet connection is pinged. One that is half open stays quiet for
	// ever.
	listenCheck = 15 * time.Second
	// probeTime is how long a notification of our own may take.
	probeTime = 3 * time.Second
	// announceEvery is the least time, on average, from one announcement of our commits to the
	// next; after a late one it is half as long. Each announcement takes a lock that all commits
	// with a notification share, on the whole server.
	announceEvery = 10 * time.Millisecond
)

// listen pokes the feeds when others have committed, until the backend is closed. Notifications
// only wake feeds: polling finds what is lost with a connection.
func (b *Backend) listen() {
	for wait := 100 * time.Millisecond; b.life.Context().Err() == nil; wait = min(2*wait, 5*time.Second) {
		begun := time.Now()
		err := b.listenOnce()
		b.setListening(false)
		if b.life.Context().Err() != nil {
			return
		}
		b.options.Log.Warn("notifications of PostgreSQL are not heard; changes are polled for until they are",
			"error", withoutConfig(err))
		if time.Since(begun) > time.Minute {
			wait = 100 * time.Millisecond
		}
		select {
		case <-b.life.Context().Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

var errNotHeard = errors.New("a notification of our own did not come back: LISTEN needs a connection " +
	"without a pooler in transaction mode; name one with --backend-direct")

// errRemade means that notifications of app_data have another name now.
var errRemade = errors.New("the table app_data was made anew")

// listenOnce listens on a connection of its own until the connection breaks.
func (b *Backend) listenOnce() error {
	ctx := b.life.Context()
	conn, err := pgx.ConnectConfig(ctx, b.direct)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	channel := *b.channel.Load()
	if err := b.bounded(func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize(), pgx.QueryExecModeSimpleProtocol)
		return err
	}); err != nil {
		return err
	}
	if err := b.probe(conn); err != nil {
		return err
	}
	b.setListening(true)
	b.poke() // for what was committed before the first notification
	for {
		wait, cancel := context.WithTimeout(ctx, listenCheck)
		n, err := conn.WaitForNotification(wait)
		quiet := wait.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil && n.Payload == b.self: // the commit has poked the feeds
		case err == nil:
			b.poke()
		case !quiet:
			return err
		case channel != *b.channel.Load():
			return errRemade
		default:
			if err := b.bounded(conn.Ping); err != nil {
				return err
			}
		}
	}
}

// bounded runs a step that a silent server must not stop.
func (b *Backend) bounded(step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.life.Context(), dialTime)
	defer cancel()
	return step(ctx)
}

// probe sends a notification through the pool and waits for it. A pooler accepts LISTEN without
// effect.
func (b *Backend) probe(conn *pgx.Conn) error {
	if err := b.notify("probe"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.life.Context(), probeTime)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil && ctx.Err() != nil && b.life.Context().Err() == nil {
			return errNotHeard
		}
		if err != nil || n.Payload == "probe" {
			return err
		}
	}
}

func (b *Backend) setListening(listening bool) {
	if !b.listening.Swap(listening) && listening {
		b.options.Log.Debug("notifications of PostgreSQL are heard")
	}
}

func (b *Backend) notify(payload string) error {
	return b.bounded(func(ctx context.Context) error {
		_, err := b.pool.Exec(ctx, "SELECT pg_notify($1, $2)", *b.channel.Load(), payload)
		return err
	})
}

// committed is called after each commit of this process. It pokes the feeds of this process at
// once, those of other processes soon.
func (b *Backend) committed(requests int) {
	b.poke()
	b.options.Committed(requests, b.inserts.Waiting()+b.upserts.Waiting()+int(b.acquiring.Load()))
	select {
	case b.announce <- struct{}{}:
	default: // an announcement is due, and will be sent after this commit
	}
}

// announceCommits notifies other processes of commits, many at a time. A late announcement does not
// delay the next one: announcements would otherwise fall behind commits that come as often.
func (b *Backend) announceCommits() {
	var due time.Time
	for {
		select {
		case <-b.life.Context().Done():
			return
		case <-b.announce:
		}
		select {
		case <-b.life.Context().Done():
			return
		case <-time.After(time.Until(due)):
		}
		if late := time.Now().Add(-announceEvery / 2); due.Before(late) {
			due = late
		}
		due = due.Add(announceEvery)
		_ = b.notify(b.self) // without it, others find the commits by polling
	}
}
