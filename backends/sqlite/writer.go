package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	maxQueue      = 1024    // jobs that wait; beyond it, callers of Write block
	maxGroup      = 256     // jobs of one commit
	maxGroupBytes = 8 << 20 // their data, about
)

// writer owns the only connection that writes. It commits all jobs that wait as one group, and lets
// jobs join a transaction that is open. So jobs share the cost of making a commit durable.
type writer struct {
	backend  *Backend
	conn     *conn
	queue    *driverkit.Queue[*job]
	pacer    lockPacer
	joinTime time.Duration // how long after BEGIN jobs may join

	// State of the open transaction.
	walked  int    // documents that walks have read for the present job
	actor   string // who app_data_writer names
	version int64  // PRAGMA data_version as of the last group; -1: unknown
	synced  int64  // the seq up to which the live indexes know the log
	live    map[collection][]*index
}

type group = driverkit.Group[*job]

func newWriter(b *Backend, c *conn) *writer {
	return &writer{
		backend: b, conn: c, queue: driverkit.NewQueue[*job](maxQueue, maxGroup, maxGroupBytes),
		version: -1, live: map[collection][]*index{}, joinTime: 5 * time.Millisecond,
	}
}

// runGroup commits a group and all jobs that wait, then leaves the lock to others if it owes them
// time.
func (w *writer) runGroup(g *group) {
	runtime.Gosched() // callers of the last group get their answers, and those about to queue can do so
	w.queue.Fill(g)
	w.commit(g, true)
	w.pacer.rest(w.queue.Waiting() > 0, w.backend.life.Context().Done())
}

var (
	errBegin = errors.New("begin")
	// errCommit marks a failure of COMMIT itself: it is unknown whether the changes last.
	errCommit = errors.New("commit")
)

// commit carries out a group and answers it. A job that breaks the transaction, for example on a
// damaged page, fails the whole group. Then each job is tried again by itself.
func (w *writer) commit(g *group, joinable bool) {
	if len(g.Jobs) == 0 {
		return
	}
	err := w.tryCommit(g, joinable)
	if err != nil && len(g.Jobs) > 1 && !errors.Is(err, errCommit) && !errors.Is(err, errBegin) {
		for _, j := range g.Jobs {
			w.commit(&group{Jobs: []*job{j}}, false)
		}
		return
	}
	for _, j := range g.Jobs {
		j.Finish(err)
	}
}

func (w *writer) tryCommit(g *group, joinable bool) error {
	if _, err := w.conn.exec(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("%w: %w", errBegin, err)
	}
	w.pacer.taken()
	defer w.pacer.freed()
	var joinUntil time.Time
	if joinable {
		joinUntil = time.Now().Add(w.joinTime)
	}
	from, at, err := w.runJobs(g, joinUntil)
	if err != nil {
		w.conn.rollback()
		return err
	}
	if _, err := w.conn.exec(context.Background(), "COMMIT"); err != nil {
		w.conn.rollback()
		return fmt.Errorf("%w: %w", errCommit, err)
	}
	w.synced = at.seq
	w.retireDropped()
	for _, j := range g.Jobs {
		j.complete(at)
	}
	w.backend.publish(newLocalGroup(g.Jobs, from, at))
	w.backend.options.Committed(len(g.Jobs), w.queue.Waiting())
	return nil
}

// runJobs runs the jobs inside the open transaction, and those that join before joinUntil. It
// returns the position of the log before and after.
func (w *writer) runJobs(g *group, joinUntil time.Time) (from, at cursor, err error) {
	w.actor = ""
	if err := w.syncOutside(); err != nil {
		return from, at, err
	}
	if from, err = w.backend.newest(context.Background(), w.conn); err != nil {
		return from, at, err
	}
	for i := 0; i < len(g.Jobs); i++ {
		j := g.Jobs[i]
		j.err = w.runJob(j)
		if j.err != nil && !refusal(j.err) {
			return from, at, j.err
		}
		if i == len(g.Jobs)-1 && time.Now().Before(joinUntil) {
			w.queue.Fill(g)
		}
	}
	if err := w.setActor(""); err != nil {
		return from, at, err
	}
	at, err = w.backend.newest(context.Background(), w.conn)
	return from, at, err
}

// syncOutside brings the live indexes up to date if other connections have committed.
func (w *writer) syncOutside() error {
	var version int64
	if _, err := w.conn.one(context.Background(), "PRAGMA data_version", nil, &version); err != nil {
		return err
	}
	if version == w.version {
		return nil
	}
	if w.version >= 0 {
		w.pacer.sawOutsider(time.Now())
	}
	if err := w.catchUp(); err != nil {
		return err
	}
	w.version = version
	return nil
}

// setActor sets who writes from here on, for the triggers to log.
func (w *writer) setActor(actor string) error {
	if actor == w.actor {
		return nil
	}
	_, err := w.conn.exec(context.Background(), "UPDATE app_data_writer SET actor = ?", actor)
	w.actor = actor
	return err
}

// runJob runs one job. A job that is refused leaves nothing behind.
func (w *writer) runJob(j *job) error {
	if j.tx == nil {
		return w.savepoint(func() error { return j.do(w.conn) })
	}
	// This must precede the savepoint, whose rollback would undo it.
	if err := w.setActor(j.tx.By.String()); err != nil {
		return err
	}
	j.out.Changes, j.out.Replayed = nil, false
	if first := j.call.deferred; first != nil && first != j {
		return driverkit.ErrSearchFirst
	}
	j.call.deferred, w.walked = nil, 0
	for _, s := range j.searches {
		s.begin()
	}
	t := transaction{writer: w, job: j, tx: j.tx}
	run := t.run
	if !t.simple() {
		run = func() error { return w.savepoint(t.run) }
	}
	err := run()
	if errors.Is(err, driverkit.ErrSearchFirst) {
		j.call.deferred = j
	}
	return err
}

func (w *writer) savepoint(f func() error) error {
	ctx := context.Background()
	if _, err := w.conn.exec(ctx, "SAVEPOINT job"); err != nil {
		return err
	}
	if err := f(); err != nil {
		if _, e := w.conn.exec(ctx, "ROLLBACK TO job"); e != nil {
			return endsGroup(err, e)
		}
		if _, e := w.conn.exec(ctx, "RELEASE job"); e != nil {
			return endsGroup(err, e)
		}
		return err
	}
	_, err := w.conn.exec(ctx, "RELEASE job")
	return err
}

// endsGroup is the error of a job that could not be undone. It is no refusal, so it ends the group.
// Where the job failed by itself, that is the reason: a full disk has SQLite undo the transaction.
func endsGroup(err, undo error) error {
	if refusal(err) {
		return fmt.Errorf("after %v: %w", err, undo)
	}
	return fmt.Errorf("%w; then %v", err, undo)
}

// complete sets what only the commit tells. A group becomes visible as a whole, so the position
// after it marks all its changes.
func (j *job) complete(at cursor) {
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
