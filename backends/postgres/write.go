package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// maxTries is how often a transaction is run that others get in the way of.
const maxTries = 8

// Write implements [backends.Backend]. All transactions of one call run on one connection, one after the other; inserts
// that follow each other are sent together.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	outs := make([]backends.Outcome, len(txs))
	if len(txs) == 0 {
		return nil
	}
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return failed(outs, err)
	}
	defer leave()
	b.waiting.Add(1)
	conn, err := b.pool.Acquire(inner)
	b.waiting.Add(-1)
	if err != nil {
		return failed(outs, b.explain(ctx, "write", err))
	}
	defer conn.Release()
	for at := 0; at < len(txs); {
		n := inserts(txs[at:])
		if n > 0 {
			err = b.insertAll(inner, conn.Conn(), txs[at:at+n], outs[at:at+n])
		} else {
			n = 1
			outs[at], err = b.transact(inner, conn.Conn(), &txs[at])
		}
		at += n
		if err != nil || conn.Conn().IsClosed() { // what was sent may or may not have happened
			return b.brokenOff(ctx, outs, err)
		}
	}
	for i := range outs {
		outs[i].Err = b.explain(ctx, "write", outs[i].Err)
	}
	b.committed(len(txs))
	return outs
}

// brokenOff answers what has no answer when the connection broke: it may or may not have happened.
func (b *Backend) brokenOff(ctx context.Context, outs []backends.Outcome, err error) []backends.Outcome {
	done := 0
	for i := range outs {
		o := &outs[i]
		if o.Err == nil && o.Changes == nil && !o.Replayed {
			o.Err = errors.Join(err, errBroken)
		}
		if o.Err == nil {
			done++
		}
		o.Err = b.explain(ctx, "write", o.Err)
	}
	b.committed(done)
	return outs
}

func failed(outs []backends.Outcome, err error) []backends.Outcome {
	for i := range outs {
		outs[i].Err = err
	}
	return outs
}

// inserts is how many transactions from the first on are single inserts, which one statement carries out.
func inserts(txs []backends.Tx) (n int) {
	for n < len(txs) && len(txs[n].Writes) == 1 && txs[n].Writes[0].Op == backends.Insert && txs[n].Entries == nil {
		n++
	}
	return n
}

// transact runs a transaction until nobody gets in its way.
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
