package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	maxQueue      = 1024    // jobs that wait; over it their callers do
	maxGroup      = 256     // jobs of one commit
	maxGroupBytes = 8 << 20 // their data, about
)

// writer owns the one connection that writes. It commits all that waits as one group: the cost of making
// it durable is shared, and nobody waits for a timer.
type writer struct {
	backend *Backend
	conn    *conn
	jobs    chan *job
	stopped chan struct{} // closed when run has ended
	gaps    gaps

	// As of the transaction that is open: who writes in it, and how much of the log the live indexes know.
	actor   string
	version int64 // PRAGMA data_version as of the last group; -1: unknown
	synced  int64
	live    map[place][]*index
}

func newWriter(b *Backend, c *conn) *writer {
	return &writer{backend: b, conn: c, jobs: make(chan *job, maxQueue), version: -1, live: map[place][]*index{}, stopped: make(chan struct{})}
}

// run ends when the backend does, and answers what is queued by then.
func (w *writer) run() {
	defer close(w.stopped)
	done := w.backend.ctx.Done()
	for {
		select {
		case j := <-w.jobs:
			runtime.Gosched() // who can queue without waiting joins the group, and the last one's answers go out
			w.commit(w.group(j))
			w.gaps.rest(len(w.jobs) > 0, done)
		case <-done:
			w.refuse()
			return
		}
	}
}

// group takes what waits, without waiting. Jobs whose callers have gone are dropped.
func (w *writer) group(j *job) []*job {
	var group []*job
	for size := 0; ; {
		if err := j.ctx.Err(); err != nil {
			j.err = err
			j.finished()
		} else {
			group = append(group, j)
			size += j.size
		}
		if len(group) >= maxGroup || size >= maxGroupBytes {
			return group
		}
		select {
		case j = <-w.jobs:
		default:
			return group
		}
	}
}

// refuse answers what is queued. Whoever queues after that sees stopped.
func (w *writer) refuse() {
	for {
		select {
		case j := <-w.jobs:
			j.err = errClosed
			j.finished()
		default:
			return
		}
	}
}

// errCommit marks a failure of COMMIT itself: what was written may or may not last.
var errCommit = errors.New("commit")

// commit carries out a group and answers it. One job that breaks the transaction, say on a damaged page, takes the
// others with it; so they are tried again, each alone.
func (w *writer) commit(group []*job) {
	if len(group) == 0 {
		return
	}
	err := w.try(group)
	if err != nil && len(group) > 1 && !errors.Is(err, errCommit) && !errors.Is(err, errBegin) {
		for _, j := range group {
			w.commit([]*job{j})
		}
		return
	}
	for _, j := range group {
		if err != nil {
			j.err = err
		}
		j.finished()
	}
}

var errBegin = errors.New("begin")

func (w *writer) try(group []*job) error {
	if _, err := w.conn.exec(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("%w: %w", errBegin, err)
	}
	w.gaps.taken()
	defer w.gaps.freed()
	from, at, err := w.within(group)
	if err != nil {
		w.conn.rollback()
		return err
	}
	if _, err := w.conn.exec(context.Background(), "COMMIT"); err != nil {
		w.conn.rollback()
		return fmt.Errorf("%w: %w", errCommit, err)
	}
	w.synced = at.seq
	w.tidy()
	for _, j := range group {
		j.settle(at)
	}
	w.backend.tell(told(group, from, at))
	w.backend.options.Committed(len(group), len(w.jobs))
	return nil
}

// within runs the group inside the open transaction and returns where the log was and is.
func (w *writer) within(group []*job) (from, at cursor, err error) {
	w.actor = ""
	if err := w.notice(); err != nil {
		return from, at, err
	}
	if from, err = w.backend.newest(context.Background(), w.conn); err != nil {
		return from, at, err
	}
	for _, j := range group {
		j.err = w.carryOut(j)
		if j.err != nil && !refusal(j.err) {
			return from, at, j.err
		}
	}
	if err := w.act(""); err != nil {
		return from, at, err
	}
	at, err = w.backend.newest(context.Background(), w.conn)
	return from, at, err
}

// notice finds out whether others have committed, which the live indexes must learn.
func (w *writer) notice() error {
	var version int64
	if _, err := w.conn.one(context.Background(), "PRAGMA data_version", nil, &version); err != nil {
		return err
	}
	if version == w.version {
		return nil
	}
	if w.version >= 0 {
		w.gaps.outsider(time.Now())
	}
	if err := w.catchUp(); err != nil {
		return err
	}
	w.version = version
	return nil
}

// act says who writes from here on; the triggers log it.
func (w *writer) act(actor string) error {
	if actor == w.actor {
		return nil
	}
	_, err := w.conn.exec(context.Background(), "UPDATE app_data_writer SET actor = ?", actor)
	w.actor = actor
	return err
}

// carryOut runs one job so that a refusal leaves nothing behind.
func (w *writer) carryOut(j *job) error {
	if j.tx == nil {
		return w.savepoint(func() error { return j.do(w.conn) })
	}
	// Before the savepoint, whose rollback would take it back.
	if err := w.act(j.tx.By.String()); err != nil {
		return err
	}
	j.out.Changes, j.out.Replayed = nil, false
	t := transaction{writer: w, job: j, tx: j.tx}
	if t.simple() {
		return t.run()
	}
	return w.savepoint(t.run)
}

func (w *writer) savepoint(f func() error) error {
	ctx := context.Background()
	if _, err := w.conn.exec(ctx, "SAVEPOINT job"); err != nil {
		return err
	}
	if err := f(); err != nil {
		if _, e := w.conn.exec(ctx, "ROLLBACK TO job"); e != nil {
			return fmt.Errorf("after %v: %w", err, e) // not a refusal any more
		}
		if _, e := w.conn.exec(ctx, "RELEASE job"); e != nil {
			return fmt.Errorf("after %v: %w", err, e)
		}
		return err
	}
	_, err := w.conn.exec(ctx, "RELEASE job")
	return err
}

// settle completes a committed job's outcome. A group becomes visible at once, so its end marks all its changes.
func (j *job) settle(at cursor) {
	if j.tx == nil || j.err != nil {
		j.out.Changes = nil
		return
	}
	if j.out.Replayed {
		j.out.Cursor = at
		return
	}
	for i := range j.out.Changes {
		j.out.Changes[i].Commit = at.seq
	}
}
