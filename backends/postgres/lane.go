package postgres

import (
	"context"
	"time"
)

const (
	// lanes is how many groups of inserts are carried out at once. While all are, what comes waits and becomes a group: the
	// busier the gateway, the less each insert costs. None waits for a lock: see briefSQL.
	lanes = 2
	// maxRuns and maxGroupBytes bound one group.
	maxRuns       = 128
	maxGroupBytes = 8 << 20
	// groupTime bounds one group, whatever its callers' times are.
	groupTime = 15 * time.Second
)

// lane carries out inserts until b is closed, and then answers what waits.
func (b *Backend) lane() {
	for {
		select {
		case r := <-b.inserts:
			b.carryOut(b.group(r))
		case <-b.ctx.Done():
			b.refuseRuns()
			return
		}
	}
}

// group takes what waits, without waiting. Runs whose callers have gone are dropped.
func (b *Backend) group(r *run) (runs []*run) {
	for size := 0; ; {
		if err := r.ctx.Err(); err != nil {
			r.finish(err)
		} else {
			runs = append(runs, r)
			for _, s := range r.inserts {
				size += len(s.change.Doc.Data)
			}
		}
		if len(runs) >= maxRuns || size >= maxGroupBytes {
			return runs
		}
		select {
		case r = <-b.inserts:
		default:
			return runs
		}
	}
}

func (b *Backend) carryOut(runs []*run) {
	if len(runs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, groupTime)
	defer cancel()
	conn, err := b.pool.Acquire(ctx)
	if err == nil {
		err = b.insertGroup(ctx, conn.Conn(), runs)
		conn.Release()
	}
	n := 0
	for _, r := range runs {
		n += len(r.inserts)
		r.finish(err)
	}
	b.committed(n)
}

// finish answers a run.
func (r *run) finish(err error) {
	r.err = err
	close(r.finished)
}

func (b *Backend) refuseRuns() {
	for {
		select {
		case r := <-b.inserts:
			r.finish(errClosed)
		default:
			return
		}
	}
}

// insertAll has a lane carry out inserts and waits for it. The error is of all that has no outcome.
func (b *Backend) insertAll(ctx context.Context, r *run) error {
	if len(r.inserts) == 0 {
		return nil
	}
	b.waiting.Add(1)
	select {
	case b.inserts <- r:
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
