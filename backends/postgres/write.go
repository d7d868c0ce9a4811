package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// maxTries is how often a transaction is run that others get in the way of.
const maxTries = 8

// errBroken: the connection broke before an answer came; what was sent may have happened.
var errBroken = &brokenError{}

type brokenError struct{}

func (*brokenError) Error() string   { return "the connection broke" }
func (*brokenError) Timeout() bool   { return false }
func (*brokenError) Temporary() bool { return true }

// Write implements [backends.Backend]. Inserts that follow each other are carried out together, and with those of other
// calls.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	if len(txs) == 0 {
		return nil
	}
	outs := make([]backends.Outcome, len(txs))
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return failed(outs, err)
	}
	defer leave()
	for at := 0; at < len(txs) && err == nil; {
		n := 1
		if inserts := leading(txs[at:], insertable); inserts > 0 {
			n, err = inserts, b.writeRun(inner, b.inserts, newInserts, txs[at:at+inserts], outs[at:at+inserts])
		} else if upserts := leading(txs[at:], upsertable); upserts > 0 {
			n, err = upserts, b.writeRun(inner, b.upserts, newUpserts, txs[at:at+upserts], outs[at:at+upserts])
		} else {
			err = b.writeOne(inner, &txs[at], &outs[at])
		}
		at += n
	}
	homeless := false
	for i := range outs {
		o := &outs[i]
		if err != nil && o.Err == nil && o.Changes == nil && !o.Replayed { // it may or may not have happened
			o.Err = errors.Join(err, errBroken)
		}
		homeless = homeless || errors.Is(o.Err, errNoEpoch)
		o.Err = b.explain(ctx, "write", o.Err)
	}
	if homeless {
		_ = b.begin(inner) // for the next write; that one or a read tries again if this fails
	}
	return outs
}

func failed(outs []backends.Outcome, err error) []backends.Outcome {
	for i := range outs {
		outs[i].Err = err
	}
	return outs
}

// leading is how many transactions from the first on are one write of a kind that a lane carries out.
func leading(txs []backends.Tx, kind func(*backends.Write) bool) (n int) {
	for n < len(txs) && len(txs[n].Writes) == 1 && kind(&txs[n].Writes[0]) && txs[n].Entries == nil {
		n++
	}
	return n
}

func insertable(w *backends.Write) bool { return w.Op == backends.Insert }

// writeRun hands a run to a lane, then carries out alone, in their order, those that a group cannot. A lane goes on
// with what it has begun when the caller leaves, so it works on copies.
func (b *Backend) writeRun(ctx context.Context, q *queue, newRun func(context.Context, []backends.Tx, []backends.Outcome) *run, txs []backends.Tx, outs []backends.Outcome) error {
	mine := make([]backends.Outcome, len(outs))
	r := newRun(ctx, slices.Clone(txs), mine)
	err := b.await(ctx, q, r)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	for _, s := range r.singles {
		if !s.done && err == nil {
			err = b.writeOne(ctx, s.tx, s.out)
		}
	}
	copy(outs, mine)
	return err
}

// writeOne carries out one transaction on a connection of its own.
func (b *Backend) writeOne(ctx context.Context, tx *backends.Tx, out *backends.Outcome) error {
	b.waiting.Add(1)
	conn, err := b.pool.Acquire(ctx)
	b.waiting.Add(-1)
	if err != nil {
		return err
	}
	defer conn.Release()
	*out, err = b.transact(ctx, conn.Conn(), tx)
	b.committed(1)
	return err
}

// transact runs a transaction until nobody gets in its way. The error is one of the connection.
func (b *Backend) transact(ctx context.Context, conn connection, tx *backends.Tx) (out backends.Outcome, err error) {
	for try := 1; ; try++ {
		t := transaction{backend: b, conn: conn, tx: tx}
		out, err = t.run(ctx)
		if err == nil {
			return out, nil
		}
		if conn.IsClosed() {
			return backends.Outcome{Err: err}, err
		}
		if !again(err) || try == maxTries {
			return backends.Outcome{Err: err}, nil
		}
		select {
		case <-ctx.Done():
			return backends.Outcome{Err: ctx.Err()}, nil
		case <-time.After(time.Duration(try)*time.Millisecond + rand.N(time.Duration(try)*2*time.Millisecond)):
		}
	}
}

// errChanged: somebody has changed, between two steps, what the transaction had read.
var errChanged = errors.New("a document has changed meanwhile")

func again(err error) bool {
	return errors.Is(err, errChanged) || isState(err, serializationFailed, deadlockDetected)
}
