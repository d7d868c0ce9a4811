package sqlite

import (
	"context"
	"errors"
	"slices"
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
	// What the caller has searched, once the writer has deferred the job.
	searches map[collection]*search
	call     *call
	out      backends.Outcome

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
	jobs, together := make([]*job, len(txs)), &call{}
	for i := range txs {
		jobs[i] = &job{ctx: ctx, tx: &txs[i], call: together}
	}
	rest := jobs
	for n := 0; ; n++ {
		if err := b.carryOut(ctx, rest); err != nil {
			return driverkit.Failed(len(txs), err)
		}
		deferred := slices.IndexFunc(rest, func(j *job) bool { return errors.Is(j.err, driverkit.ErrSearchFirst) })
		if deferred < 0 || n == driverkit.MaxSearches {
			return outcomes(ctx, jobs)
		}
		rest = rest[deferred:]
		if err := b.searchFor(ctx, rest[0]); err != nil {
			return driverkit.Failed(len(txs), translate(ctx, "write", err))
		}
	}
}

// carryOut queues jobs, with the indexes that their upserts need, and waits for them. If the
// caller's time ends first, the writer still uses them.
func (b *Backend) carryOut(ctx context.Context, jobs []*job) error {
	done := make(chan struct{})
	var open atomic.Int64
	open.Store(int64(len(jobs)))
	for _, j := range jobs {
		j.err, j.finished = nil, func() {
			if open.Add(-1) == 0 {
				close(done)
			}
		}
	}
	jobs[0].call.deferred = nil
	for _, j := range jobs {
		if err := b.put(ctx, j); err != nil {
			return err
		}
	}
	return b.writer.queue.Wait(ctx, done)
}

// put queues a transaction, with the indexes that its upserts need.
func (b *Backend) put(ctx context.Context, j *job) error {
	if j.searches == nil {
		if err := b.prepareUpserts(ctx, j); err != nil {
			return err
		}
	}
	return b.writer.queue.Put(ctx, j)
}

func outcomes(ctx context.Context, jobs []*job) []backends.Outcome {
	outs := make([]backends.Outcome, len(jobs))
	for i, j := range jobs {
		if j.err != nil {
			outs[i].Err = translate(ctx, "write", j.err)
		} else {
			outs[i] = j.out
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
