package driverkit

import (
	"context"
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
)

// Job is an entry of a Queue. Its caller must not touch it between Put and Finish.
type Job interface {
	// Caller is the context of the call that waits for the job.
	Caller() context.Context
	// Size is what the job counts against the limits of a group. Bytes are approximate.
	Size() (jobs, bytes int)
	// Finish answers the caller. It is called once.
	Finish(error)
}

// Queue hands jobs to the workers that carry them out. A worker takes all jobs that wait as one
// group, so jobs share the cost of a commit, and no job waits for a timer.
type Queue[J Job] struct {
	jobs              chan J
	maxJobs, maxBytes int
	waiting, workers  atomic.Int64
	stopped           chan struct{} // closed when all workers have ended
}

// NewQueue returns a queue of that capacity: when it is full, Put blocks. maxJobs and maxBytes
// limit a group; the job that reaches a limit is the group's last.
func NewQueue[J Job](capacity, maxJobs, maxBytes int) *Queue[J] {
	return &Queue[J]{
		jobs: make(chan J, capacity), maxJobs: maxJobs, maxBytes: maxBytes, stopped: make(chan struct{}),
	}
}

// Start starts workers, which end with life. Each runs carryOut for one group after the other;
// carryOut must finish every job of its group. The last worker to end refuses what still waits.
func (q *Queue[J]) Start(life *Lifetime, workers int, carryOut func(*Group[J])) {
	q.workers.Store(int64(workers))
	for range workers {
		life.Go(func() { q.work(life.Context().Done(), carryOut) })
	}
}

func (q *Queue[J]) work(done <-chan struct{}, carryOut func(*Group[J])) {
	for {
		select {
		case j := <-q.jobs:
			g := &Group[J]{}
			q.add(g, j)
			carryOut(g)
		case <-done:
			if q.workers.Add(-1) == 0 {
				q.refuse()
				close(q.stopped)
			}
			return
		}
	}
}

// Put queues a job. It blocks while the queue is full, and fails with ctx's error or with
// ErrClosed.
func (q *Queue[J]) Put(ctx context.Context, j J) error {
	q.waiting.Add(1)
	select {
	case q.jobs <- j:
		return nil
	case <-ctx.Done():
		q.waiting.Add(-1)
		return ctx.Err()
	case <-q.stopped:
		q.waiting.Add(-1)
		return ErrClosed
	}
}

// Wait blocks until finished is closed. It fails with ctx's error, or with ErrClosed when the
// workers have ended; then it is unknown what happened, and the workers may still use the job.
func (q *Queue[J]) Wait(ctx context.Context, finished <-chan struct{}) error {
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-q.stopped:
	}
	select {
	case <-finished: // before the workers ended
		return nil
	default:
		return ErrClosed
	}
}

// Waiting is the number of jobs that no worker has taken yet.
func (q *Queue[J]) Waiting() int { return int(q.waiting.Load()) }

// Fill adds jobs that wait to a group until the group is full. It does not block.
func (q *Queue[J]) Fill(g *Group[J]) {
	for len(g.Jobs) == 0 || g.jobs < q.maxJobs && g.bytes < q.maxBytes {
		select {
		case j := <-q.jobs:
			q.add(g, j)
		default:
			return
		}
	}
}

// add takes a job into a group, unless its caller has gone.
func (q *Queue[J]) add(g *Group[J], j J) {
	q.waiting.Add(-1)
	if err := j.Caller().Err(); err != nil {
		j.Finish(err)
		return
	}
	jobs, bytes := j.Size()
	g.Jobs, g.jobs, g.bytes = append(g.Jobs, j), g.jobs+jobs, g.bytes+bytes
}

func (q *Queue[J]) refuse() {
	for {
		select {
		case j := <-q.jobs:
			q.waiting.Add(-1)
			j.Finish(ErrClosed)
		default:
			return
		}
	}
}

// Group is the jobs that a worker carries out together, in the order in which they were queued.
type Group[J Job] struct {
	Jobs        []J
	jobs, bytes int
}

// Len is the sum of the sizes of the group's jobs.
func (g *Group[J]) Len() int { return g.jobs }

// Failed returns n outcomes that have failed with err.
func Failed(n int, err error) []backends.Outcome {
	outs := make([]backends.Outcome, n)
	for i := range outs {
		outs[i].Err = err
	}
	return outs
}

// BytesOf is the size of the data that a transaction writes.
func BytesOf(tx *backends.Tx) (n int) {
	for i := range tx.Writes {
		n += len(tx.Writes[i].Data)
	}
	return n
}
