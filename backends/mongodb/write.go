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
}

var _ driverkit.Job = (*call)(nil)

func (c *call) Caller() context.Context { return c.ctx }

func (c *call) Size() (jobs, bytes int) {
	for i := range c.txs {
		bytes += driverkit.BytesOf(&c.txs[i])
	}
	return len(c.txs), bytes
}

// Finish answers the caller. err answers each transaction that has no answer yet.
func (c *call) Finish(err error) {
	for i := range c.outs {
		if o := &c.outs[i]; o.Err == nil && o.Changes == nil && !o.Replayed {
			o.Err = err
		}
	}
	close(c.finished)
}

// Write implements [backends.Backend]. Consecutive transactions are carried out together, also with
// those of other callers.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	outs := make([]backends.Outcome, len(txs))
	for at := 0; at < len(txs); {
		n := min(len(txs)-at, maxCall)
		err := b.do(ctx, "write", func(ctx context.Context) error {
			return b.await(ctx, txs[at:at+n], outs[at:at+n])
		})
		for i := at; err != nil && i < len(txs); i++ {
			outs[i] = backends.Outcome{Err: err}
		}
		if err != nil {
			break
		}
		at += n
	}
	return outs
}

// await queues transactions and waits until they are finished.
func (b *Backend) await(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) error {
	c := &call{
		ctx: ctx, txs: slices.Clone(txs), outs: make([]backends.Outcome, len(txs)), finished: make(chan struct{}),
	}
	if err := b.calls.Put(ctx, c); err != nil {
		return err
	}
	if err := b.calls.Wait(ctx, c.finished); err != nil {
		return err
	}
	for i := range c.outs {
		outs[i] = c.outs[i]
		outs[i].Err = b.translate(ctx, "write", outs[i].Err)
	}
	return nil
}
