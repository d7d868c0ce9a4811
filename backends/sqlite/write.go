package sqlite

import (
	"context"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// job is an entry of the writer's queue: either a transaction of documents or other work. Once it
// is queued, only the writer uses it until finished is called.
type job struct {
	ctx context.Context
	err error

	// A transaction of documents.
	tx      *backends.Tx
	indexes []*index // by the index of a write; nil for a write that needs none
	out     backends.Outcome

	// Other work.
	do func(*conn) error

	finished func()
}

var _ driverkit.Job = (*job)(nil)

func (j *job) Caller() context.Context { return j.ctx }

func (j *job) Size() (jobs, bytes int) {
	if j.tx == nil {
		return 1, 0
	}
	return 1, driverkit.BytesOf(j.tx)
}

// Finish answers the caller. Without an error of the group, the job's own error stays.
func (j *job) Finish(err error) {
	if err != nil {
		j.err = err
	}
	j.finished()
}

// Write implements [backends.Backend].
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	if len(txs) == 0 {
		return nil
	}
	if err := b.life.Enter(ctx); err != nil {
		return driverkit.Failed(len(txs), err)
	}
	defer b.life.Leave()
	done := make(chan struct{})
	var open atomic.Int64
	open.Store(int64(len(txs)))
	finished := func() {
		if open.Add(-1) == 0 {
			close(done)
		}
	}
	jobs := make([]job, len(txs))
	for i := range txs {
		j := &jobs[i]
		*j = job{ctx: ctx, tx: &txs[i], finished: finished}
		if err := b.put(ctx, j); err != nil {
			return driverkit.Failed(len(txs), err)
		}
	}
	return b.await(ctx, jobs, done)
}

// put queues a transaction, with the indexes that its upserts need.
func (b *Backend) put(ctx context.Context, j *job) error {
	if err := b.prepareUpserts(ctx, j); err != nil {
		return err
	}
	return b.writer.queue.Put(ctx, j)
}

// await returns the outcomes. If the caller's time ends first, all outcomes have that error: the
// writer still uses the jobs.
func (b *Backend) await(ctx context.Context, jobs []job, done <-chan struct{}) []backends.Outcome {
	if err := b.writer.queue.Wait(ctx, done); err != nil {
		return driverkit.Failed(len(jobs), err)
	}
	outs := make([]backends.Outcome, len(jobs))
	for i := range jobs {
		if err := jobs[i].err; err != nil {
			outs[i].Err = translate(ctx, "write", err)
		} else {
			outs[i] = jobs[i].out
		}
	}
	return outs
}

// inWriter runs f in the writer's transaction, all or nothing. It returns when the effect is
// durable.
func (b *Backend) inWriter(ctx context.Context, doing string, f func(*conn) error) error {
	if err := b.life.Enter(ctx); err != nil {
		return err
	}
	defer b.life.Leave()
	done := make(chan struct{})
	j := &job{ctx: ctx, do: f, finished: func() { close(done) }}
	if err := b.writer.queue.Put(ctx, j); err != nil {
		return err
	}
	if err := b.writer.queue.Wait(ctx, done); err != nil {
		return err
	}
	return translate(ctx, doing, j.err)
}
