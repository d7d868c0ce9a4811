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

// writer owns the one connection that writes. It commits all that waits as one group, and what comes while that is carried
// out: the cost of making it durable is shared, and nobody waits for a timer.
type writer struct {
	backend *Backend
	conn    *conn
	jobs    chan *job
	stopped chan struct{} // closed when run has ended
	gaps    gaps
	joining time.Duration // for so long jobs may join a transaction that has begun

	// As of the transaction that is open: who writes in it, and how much of the log the live indexes know.
	actor   string
	version int64 // PRAGMA data_version as of the last group; -1: unknown
	synced  int64
	live    map[place][]*index
}

func newWriter(b *Backend, c *conn) *writer {
	return &writer{backend: b, conn: c, jobs: make(chan *job, maxQueue), version: -1, live: map[place][]*index{}, stopped: make(chan struct{}), joining: 5 * time.Millisecond}
}

// run ends when the backend does, and answers what is queued by then.
func (w *writer) run() {
	defer close(w.stopped)
	done := w.backend.ctx.Done()
	for {
		select {
		case j := <-w.jobs:
			runtime.Gosched() // who can queue without waiting joins the group, and the last one's answers go out
			g := &gathered{}
			g.add(j)
			w.gather(g)
			w.commit(g)
			w.gaps.rest(len(w.jobs) > 0, done)
		case <-done:
			w.refuse()
			return
		}
	}
}

// gathered are the jobs of one commit.
type gathered struct {
	jobs  []*job
	size  int
	alone bool      // nobody may join
	until time.Time // when nobody may join any more; zero: not known yet
}

// add takes a job in, unless its caller has gone.
func (g *gathered) add(j *job) {
	if err := j.ctx.Err(); err != nil {
		j.err = err
		j.finished()
		return
	}
	g.jobs = append(g.jobs, j)
	g.size += j.size
}

func (g *gathered) full() bool {
	return g.alone || len(g.jobs) >= maxGroup || g.size >= maxGroupBytes || !g.until.IsZero() && time.Now().After(g.until)
}

// gather takes what waits, without waiting.
func (w *writer) gather(g *gathered) {
	for !g.full() {
		select {
		case j := <-w.jobs:
			g.add(j)
		default:
			return
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
func (w *writer) commit(g *gathered) {
	if len(g.jobs) == 0 {
		return
	}
	err := w.try(g)
	if err != nil && len(g.jobs) > 1 && !errors.Is(err, errCommit) && !errors.Is(err, errBegin) {
		for _, j := range g.jobs {
			w.commit(&gathered{jobs: []*job{j}, alone: true})
		}
		return
	}
	for _, j := range g.jobs {
		if err != nil {
			j.err = err
		}
		j.finished()
	}
}

var errBegin = errors.New("begin")

func (w *writer) try(g *gathered) error {
	if _, err := w.conn.exec(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("%w: %w", errBegin, err)
	}
	w.gaps.taken()
	defer w.gaps.freed()
	g.until = time.Now().Add(w.joining)
	from, at, err := w.within(g)
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
	for _, j := range g.jobs {
		j.settle(at)
	}
	w.backend.tell(told(g.jobs, from, at))
	w.backend.options.Committed(len(g.jobs), len(w.jobs))
	return nil
}

// within runs the group, and who joins it meanwhile, inside the open transaction, and returns where the log was and is.
func (w *writer) within(g *gathered) (from, at cursor, err error) {
	w.actor = ""
	if err := w.notice(); err != nil {
		return from, at, err
	}
	if from, err = w.backend.newest(context.Background(), w.conn); err != nil {
		return from, at, err
	}
	for i := 0; i < len(g.jobs); i++ {
		j := g.jobs[i]
		j.err = w.carryOut(j)
		if j.err != nil && !refusal(j.err) {
			return from, at, j.err
		}
		if i == len(g.jobs)-1 {
			w.gather(g)
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
