package sqlite

import (
	"context"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
)

// job is one entry of the writer's queue: a transaction of documents, or any other work. Only the writer
// touches it once it is queued, until finished has been called.
type job struct {
	ctx  context.Context
	size int

	tx      *backends.Tx
	indexes []*index // one per write of tx; nil for those that need none
	out     backends.Outcome

	do  func(*conn) error
	err error

	finished func()
}

// Write implements [backends.Backend].
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	if len(txs) == 0 {
		return nil
	}
	if err := b.enter(ctx); err != nil {
		return failed(len(txs), err)
	}
	defer b.running.Done()
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
		*j = job{ctx: ctx, tx: &txs[i], size: sizeOf(&txs[i]), finished: finished}
		if err := b.queue(ctx, j); err != nil {
			return failed(len(txs), err)
		}
	}
	return b.await(ctx, jobs, done)
}

// await returns the outcomes, or one error for all: the writer still owns the jobs then.
func (b *Backend) await(ctx context.Context, jobs []job, done <-chan struct{}) []backends.Outcome {
	if err := b.settled(ctx, done); err != nil {
		return failed(len(jobs), err)
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

// queue hands a job to the writer, with the indexes that its upserts need. It waits while the queue is full.
func (b *Backend) queue(ctx context.Context, j *job) error {
	if j.tx != nil {
		if err := b.prepareUpserts(ctx, j); err != nil {
			return err
		}
	}
	select {
	case b.writer.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-b.writer.stopped:
		return errClosed
	}
}

// settled waits for done. When the context or the writer ends first, what happened is unknown.
func (b *Backend) settled(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-b.writer.stopped:
	}
	select {
	case <-done: // answered before it stopped
		return nil
	default:
		return errClosed
	}
}

// inWriter runs f in the writer's transaction, all or nothing, and returns when it is durable.
func (b *Backend) inWriter(ctx context.Context, doing string, f func(*conn) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.running.Done()
	done := make(chan struct{})
	j := &job{ctx: ctx, do: f, finished: func() { close(done) }}
	if err := b.queue(ctx, j); err != nil {
		return err
	}
	if err := b.settled(ctx, done); err != nil {
		return err
	}
	return translate(ctx, doing, j.err)
}

func failed(n int, err error) []backends.Outcome {
	outs := make([]backends.Outcome, n)
	for i := range outs {
		outs[i].Err = err
	}
	return outs
}

func sizeOf(tx *backends.Tx) int {
	size := 0
	for i := range tx.Writes {
		size += len(tx.Writes[i].Data)
	}
	return size
}
