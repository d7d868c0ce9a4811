package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// maxTries is how often a transaction is tried that conflicts with others.
const maxTries = 8

// Write implements [backends.Backend]. Consecutive inserts are carried out together, also with
// those of other calls, and so are consecutive upserts by filter.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	if len(txs) == 0 {
		return nil
	}
	inner, leave, err := b.life.EnterContext(ctx)
	if err != nil {
		return driverkit.Failed(len(txs), err)
	}
	defer leave()
	outs := make([]backends.Outcome, len(txs))
	for at := 0; at < len(txs) && err == nil; {
		n := 1
		if inserts := leading(txs[at:], insertable); inserts > 0 {
			n, err = inserts, b.writeRun(inner, b.inserts, newInserts, txs[at:at+inserts], outs[at:at+inserts])
		} else if upserts := leading(txs[at:], b.upsertable); upserts > 0 {
			n, err = upserts, b.writeRun(inner, b.upserts, newUpserts, txs[at:at+upserts], outs[at:at+upserts])
		} else {
			err = b.writeOne(inner, &txs[at], &outs[at])
		}
		at += n
	}
	epochMissing := false
	for i := range outs {
		o := &outs[i]
		if err != nil && o.Err == nil && o.Changes == nil && !o.Replayed {
			o.Err = errors.Join(err, errBroken) // it is unknown whether it happened
		}
		epochMissing = epochMissing || errors.Is(o.Err, errNoEpoch)
		o.Err = b.translate(ctx, "write", o.Err)
	}
	if epochMissing {
		_ = b.ensureEpoch(inner) // for later calls; one of them tries again if this fails
	}
	return outs
}

// leading is the number of transactions at the beginning that are one write of a kind that can be
// grouped.
func leading(txs []backends.Tx, kind func(*backends.Write) bool) (n int) {
	for n < len(txs) && len(txs[n].Writes) == 1 && kind(&txs[n].Writes[0]) {
		n++
	}
	return n
}

func insertable(w *backends.Write) bool { return w.Op == backends.Insert }

// writeRun queues a run. Then it carries out, one by one and in their order, those of its
// transactions that a group could not. A worker goes on when the caller leaves, so it works on
// copies.
func (b *Backend) writeRun(
	ctx context.Context, q *queue, newRun func(context.Context, []backends.Tx, []backends.Outcome) *run,
	txs []backends.Tx, outs []backends.Outcome,
) error {
	copies := make([]backends.Outcome, len(outs))
	r := newRun(ctx, slices.Clone(txs), copies)
	err := r.await(ctx, q)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	for _, s := range r.singles {
		if !s.done && err == nil {
			err = b.writeOne(ctx, s.tx, s.out)
		}
	}
	copy(outs, copies)
	return err
}

// writeOne carries out one transaction on a connection of its own. It searches for the upserts by
// filter that a transaction does not decide. The error is one of the connection.
func (b *Backend) writeOne(ctx context.Context, tx *backends.Tx, out *backends.Outcome) error {
	var searches map[*backends.Write]*search
	for searched := 0; ; searched++ {
		err := b.writeOnce(ctx, &transaction{tx: tx, searches: searches}, out)
		if err != nil || !errors.Is(out.Err, driverkit.ErrSearchFirst) || searched == driverkit.MaxSearches {
			return err
		}
		if searches, err = b.searchFor(ctx, tx); err != nil {
			*out = backends.Outcome{Err: err}
			return nil
		}
	}
}

// writeOnce is writeOne without a search. Where another program holds a lock for long, it waits, but
// no more than half of the connections wait so: the others are for writes that need not.
func (b *Backend) writeOnce(ctx context.Context, t *transaction, out *backends.Outcome) error {
	err := b.connectAndWrite(ctx, t, out)
	if err != nil || !isState(out.Err, lockNotAvailable) {
		return err
	}
	select {
	case b.patient <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-b.patient }()
	t.patient = true
	return b.connectAndWrite(ctx, t, out)
}

func (b *Backend) connectAndWrite(ctx context.Context, t *transaction, out *backends.Outcome) error {
	b.acquiring.Add(1)
	conn, err := b.pool.Acquire(ctx)
	b.acquiring.Add(-1)
	if err != nil {
		return err
	}
	defer conn.Release()
	*out, err = b.transact(ctx, conn.Conn(), *t)
	b.committed(1)
	return err
}

// transact runs a transaction that has not begun, again and again while it conflicts with others.
// The error is one of the connection.
func (b *Backend) transact(
	ctx context.Context, conn connection, fresh transaction,
) (out backends.Outcome, err error) {
	for try := 1; ; try++ {
		t := fresh
		t.backend, t.conn = b, conn
		out, err = t.run(ctx)
		if err == nil {
			return out, nil
		}
		if conn.IsClosed() {
			return backends.Outcome{Err: err}, err
		}
		if !retryable(err) || try == maxTries {
			return backends.Outcome{Err: err}, nil
		}
		select {
		case <-ctx.Done():
			return backends.Outcome{Err: ctx.Err()}, nil
		case <-time.After(time.Duration(try)*time.Millisecond + rand.N(time.Duration(try)*2*time.Millisecond)):
		}
	}
}
