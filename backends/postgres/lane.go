package postgres

import (
	"context"
	"time"
)

const (
	// lanes is how many groups of inserts, and how many of upserts, are carried out at once. While all are, what comes waits
	// and becomes a group: the busier the gateway, the less each write costs. None waits for a lock: see briefSQL.
	lanes = 2
	// maxRuns and maxGroupBytes bound one group.
	maxRuns       = 128
	maxGroupBytes = 8 << 20
	// groupTime bounds one group, whatever its callers' times are.
	groupTime = 15 * time.Second
)

// queue is where runs wait for a lane, and how a lane carries out those that it has taken together.
type queue struct {
	runs     chan *run
	carryOut func(ctx context.Context, conn connection, runs []*run) error
}

// lane carries out what waits until b is closed, and then refuses it.
func (b *Backend) lane(q *queue) {
	for {
		select {
		case r := <-q.runs:
			b.carryOut(q, q.group(r))
		case <-b.ctx.Done():
			q.refuse()
			return
		}
	}
}

// group takes what waits, without waiting. Runs whose callers have gone are dropped.
func (q *queue) group(r *run) (runs []*run) {
	for size := 0; ; {
		if err := r.ctx.Err(); err != nil {
			r.finish(err)
		} else {
			runs = append(runs, r)
			for _, s := range r.singles {
				size += len(s.tx.Writes[0].Data)
			}
		}
		if len(runs) >= maxRuns || size >= maxGroupBytes {
			return runs
		}
		select {
		case r = <-q.runs:
		default:
			return runs
		}
	}
}

func (b *Backend) carryOut(q *queue, runs []*run) {
	if len(runs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, groupTime)
	defer cancel()
	conn, err := b.pool.Acquire(ctx)
	if err == nil {
		err = q.carryOut(ctx, conn.Conn(), runs)
		conn.Release()
	}
	n := 0
	for _, r := range runs {
		n += len(r.singles)
		r.finish(err)
	}
	b.committed(n)
}

// finish answers a run.
func (r *run) finish(err error) {
	r.err = err
	close(r.finished)
}

func (q *queue) refuse() {
	for {
		select {
		case r := <-q.runs:
			r.finish(errClosed)
		default:
			return
		}
	}
}

// await has a lane carry out a run and waits for it. The error is of all that has no outcome.
func (b *Backend) await(ctx context.Context, q *queue, r *run) error {
	if len(r.singles) == 0 {
		return nil
	}
	b.waiting.Add(1)
	select {
	case q.runs <- r:
		b.waiting.Add(-1)
	case <-ctx.Done():
		b.waiting.Add(-1)
		return ctx.Err()
	}
	select {
	case <-r.finished:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
