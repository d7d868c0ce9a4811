package mongodb

import (
	"context"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// call is the transactions of one call of Write, in their order. The worker goes on when the caller
// leaves, so it works on copies.
type call struct {
	ctx      context.Context
	txs      []backends.Tx
	outs     []backends.Outcome
	finished chan struct{} // closed by Finish
	searches map[*backends.Write]*search
	deferred bool // an upsert by filter, and so all that follows it, must wait for a search
	// conflicted is set on a call that was carried out before, and conflicted with a transaction that
	// stayed open.
	conflicted bool
	err        error // of Finish
}

var _ driverkit.Job = (*call)(nil)

func (c *call) Caller() context.Context { return c.ctx }

func (c *call) Size() (jobs, bytes int) {
	for i := range c.txs {
		bytes += weight(&c.txs[i])
	}
	return len(c.txs), bytes
}

// weight is the size of a transaction's data. Each write weighs writeWeight more: the worker decides
// the writes of a group one by one, while all others wait.
func weight(tx *backends.Tx) int { return driverkit.BytesOf(tx) + writeWeight*len(tx.Writes) }

// leading is the number of transactions at the beginning that are queued together.
func leading(txs []backends.Tx) (n int) {
	for bytes := 0; n < min(len(txs), maxCall) && bytes < maxGroupBytes; n++ {
		bytes += weight(&txs[n])
	}
	return n
}

// Finish answers the caller. err answers each transaction that has no answer yet.
func (c *call) Finish(err error) {
	if c.err = err; err != nil {
		unanswered(c.outs, err)
	}
	close(c.finished)
}

// Write implements [backends.Backend]. Consecutive transactions are carried out together, also with
// those of other callers.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	outs := make([]backends.Outcome, len(txs))
	for at := 0; at < len(txs); {
		n := leading(txs[at:])
		err := b.do(ctx, "write", func(ctx context.Context) error {
			return b.await(ctx, txs[at:at+n], outs[at:at+n])
		})
		if err != nil {
			unanswered(outs[at:], err)
			break
		}
		at += n
	}
	return outs
}

// unanswered answers each transaction that has no answer yet.
func unanswered(outs []backends.Outcome, err error) {
	for i := range outs {
		if o := &outs[i]; o.Err == nil && o.Changes == nil && !o.Replayed {
			o.Err = err
		}
	}
}

// await has transactions carried out, in their order. It searches for the upserts by filter that the
// worker does not decide.
func (b *Backend) await(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) error {
	for searched := 0; len(txs) > 0; {
		searches, n, err := b.searchFor(ctx, txs, searched > 0)
		if err == nil {
			err = b.awaitWorker(ctx, txs[:n], outs[:n], searches)
		}
		if err != nil {
			return err
		}
		done := 0
		for done < n && outs[done].Err != driverkit.ErrSearchFirst {
			done++
		}
		if done > 0 {
			searched = 0
		}
		if done < n {
			searched++
		}
		if searched > driverkit.MaxSearches { // it stays refused
			done, searched = done+1, 0
		}
		txs, outs = txs[done:], outs[done:]
	}
	return nil
}

// awaitWorker queues transactions and waits until they are finished or deferred.
func (b *Backend) awaitWorker(
	ctx context.Context, txs []backends.Tx, outs []backends.Outcome, searches map[*backends.Write]*search,
) error {
	c := &call{ctx: ctx, txs: slices.Clone(txs), searches: searches}
	if err := b.carryOut(c); err != nil {
		return err
	}
	if err := b.stepAside(c); err != nil {
		return err
	}
	for i := range c.outs {
		outs[i] = c.outs[i]
		outs[i].Err = b.translate(ctx, "write", outs[i].Err)
	}
	return nil
}
