package postgres

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// listenCheck is how often a quiet connection is asked whether it lives: one that is half open says nothing for ever.
	listenCheck = 15 * time.Second
	// probeTime is how long our own notification may take.
	probeTime = 3 * time.Second
	// announceEvery is the time from one announcement of our commits to the next, on average at the least, and half of it
	// after one that was late: each takes a lock that all commits with a notification, of the whole server, share.
	announceEvery = 10 * time.Millisecond
)

// listen has the feeds look when others have committed, for as long as b is open. Notifications only wake: what is lost
// with a connection is found by polling.
func (b *Backend) listen() {
	for wait := 100 * time.Millisecond; b.ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		begun := time.Now()
		err := b.listenOnce()
		b.setHeard(false)
		if b.ctx.Err() != nil {
			return
		}
		b.options.Log.Warn("notifications of PostgreSQL are not heard; changes are polled for until they are", "error", err)
		if time.Since(begun) > time.Minute {
			wait = 100 * time.Millisecond
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

var errNotHeard = errors.New("a notification of our own did not come back: LISTEN needs a connection without a pooler in transaction mode; name one with --backend-direct")

// listenOnce listens on a connection of its own until that breaks.
func (b *Backend) listenOnce() error {
	conn, err := pgx.ConnectConfig(b.ctx, b.direct)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if err := b.bounded(func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{b.channel}.Sanitize(), pgx.QueryExecModeSimpleProtocol)
		return err
	}); err != nil {
		return err
	}
	if err := b.probe(conn); err != nil {
		return err
	}
	b.setHeard(true)
	b.poke() // for what was committed before we heard
	for {
		ctx, cancel := context.WithTimeout(b.ctx, listenCheck)
		n, err := conn.WaitForNotification(ctx)
		quiet := ctx.Err() != nil && b.ctx.Err() == nil
		cancel()
		switch {
		case err == nil && n.Payload == b.self: // the feeds were poked when that was committed
		case err == nil:
			b.poke()
		case !quiet:
			return err
		default:
			if err := b.bounded(conn.Ping); err != nil {
				return err
			}
		}
	}
}

// bounded runs one step that a silent server must not stop.
func (b *Backend) bounded(step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.ctx, dialTime)
	defer cancel()
	return step(ctx)
}

// probe sends a notification through the pool and waits for it: a pooler takes LISTEN and forgets it.
func (b *Backend) probe(conn *pgx.Conn) error {
	if err := b.notify("probe"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, probeTime)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil && ctx.Err() != nil && b.ctx.Err() == nil {
			return errNotHeard
		}
		if err != nil || n.Payload == "probe" {
			return err
		}
	}
}

func (b *Backend) setHeard(heard bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if heard && !b.heard {
		b.options.Log.Debug("notifications of PostgreSQL are heard")
	}
	b.heard = heard
}

func (b *Backend) notify(payload string) error {
	return b.bounded(func(ctx context.Context) error {
		_, err := b.pool.Exec(ctx, "SELECT pg_notify($1, $2)", b.channel, payload)
		return err
	})
}

// committed tells of a commit of this process: its own feeds at once, other processes' soon.
func (b *Backend) committed(requests int) {
	b.poke()
	b.options.Committed(requests, int(b.waiting.Load()))
	select {
	case b.announce <- struct{}{}:
	default: // one is under way, and will be heard after this commit
	}
}

// announceCommits tells other processes that this one has committed, many commits at a time. What was late does not make the
// next late, or announcements would drift away from commits that come as often.
func (b *Backend) announceCommits() {
	var due time.Time
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.announce:
		}
		select {
		case <-b.ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		if late := time.Now().Add(-announceEvery / 2); due.Before(late) {
			due = late
		}
		due = due.Add(announceEvery)
		_ = b.notify(b.self) // who does not hear it polls
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
