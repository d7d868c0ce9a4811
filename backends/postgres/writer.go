package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// workers is how many groups of inserts, and how many of upserts, are carried out at once.
	// While all workers are busy, runs wait and form the next group. So a write costs less when the
	// gateway is busy. A worker never waits long for a lock: see briefSettings.
	workers = 2
	// maxRuns and maxGroupBytes bound one group.
	maxRuns       = 128
	maxGroupBytes = 8 << 20
	// groupTime bounds one group, whatever its callers' times are.
	groupTime = 15 * time.Second
)

// queue is where runs wait for a worker.
type queue = driverkit.Queue[*run]

func newQueue() *queue { return driverkit.NewQueue[*run](maxRuns, maxRuns, maxGroupBytes) }

// connection is a connection that only the caller uses.
type connection = *pgx.Conn

// run is consecutive inserts, or upserts by filter, of one call. One worker carries it out, so they
// take effect in their order.
type run struct {
	ctx      context.Context
	singles  []*single
	err      error         // of the connection: what has no outcome may or may not have happened
	finished chan struct{} // closed by Finish
}

// single is a transaction of one write, which a worker may carry out together with others.
type single struct {
	tx       *backends.Tx
	change   backends.Change
	mutation *driverkit.MutationRecord // nil without a mutation id
	entries  []backends.Entry
	out      *backends.Outcome
	done     bool // it has been carried out
}

var _ driverkit.Job = (*run)(nil)

func (r *run) Caller() context.Context { return r.ctx }

func (r *run) Size() (jobs, bytes int) {
	for _, s := range r.singles {
		bytes += len(s.write().Data)
	}
	return 1, bytes
}

func (r *run) Finish(err error) {
	r.err = err
	close(r.finished)
}

// await queues the run and waits until it is finished. The error concerns each single without an
// outcome.
func (r *run) await(ctx context.Context, q *queue) error {
	if len(r.singles) == 0 {
		return nil
	}
	if err := q.Put(ctx, r); err != nil {
		return err
	}
	if err := q.Wait(ctx, r.finished); err != nil {
		return err
	}
	return r.err
}

// newInserts makes a run of inserts. It leaves out those that are refused without asking the
// database.
func newInserts(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) *run {
	r := &run{ctx: ctx, finished: make(chan struct{})}
	for i := range txs {
		s := &single{tx: &txs[i], out: &outs[i]}
		if err := s.apply(nil); err != nil {
			outs[i].Err = &backends.WriteError{Err: err}
			continue
		}
		r.singles = append(r.singles, s)
	}
	return r
}

func newUpserts(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) *run {
	r := &run{ctx: ctx, finished: make(chan struct{})}
	for i := range txs {
		r.singles = append(r.singles, &single{tx: &txs[i], out: &outs[i]})
	}
	return r
}

func (s *single) write() *backends.Write { return &s.tx.Writes[0] }

// apply decides what the write does to the document that was found.
func (s *single) apply(found *protocol.Document) (err error) {
	if s.change, err = s.write().Apply(s.tx, found); err != nil {
		return err
	}
	if s.mutation = driverkit.NewMutationRecord(s.tx); s.mutation != nil {
		s.mutation.SetResult(s.change)
	}
	if s.tx.Entries != nil {
		s.entries = s.tx.Entries([]backends.Change{s.change})
	}
	return nil
}

// work starts the workers of a queue. carryOut carries out the runs of a group on a connection, as
// far as it can; its error is one of the connection.
func (b *Backend) work(q *queue, carryOut func(context.Context, connection, []*run) error) {
	q.Start(b.life, workers, func(g *driverkit.Group[*run]) {
		if q.Fill(g); len(g.Jobs) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(b.life.Context(), groupTime)
		defer cancel()
		conn, err := b.pool.Acquire(ctx)
		if err == nil {
			err = carryOut(ctx, conn.Conn(), g.Jobs)
			conn.Release()
		}
		n := 0
		for _, r := range g.Jobs {
			n += len(r.singles)
			r.Finish(err)
		}
		b.committed(n)
	})
}
