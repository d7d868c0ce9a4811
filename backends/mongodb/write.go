package mongodb

import (
	"context"
	"slices"

	"github.com/secondgate/secondgate/backends"
)

// call is what one caller of Write wants done, in order. A lane goes on with what it has begun when the caller leaves, so
// it works on copies.
type call struct {
	ctx      context.Context
	txs      []backends.Tx
	outs     []backends.Outcome
	finished chan struct{} // closed when all is said
}

// Write implements [backends.Backend]. Transactions that follow each other are carried out together, and with those of
// other callers.
func (b *Backend) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	outs := make([]backends.Outcome, len(txs))
	for at := 0; at < len(txs); {
		n := min(len(txs)-at, maxCall)
		err := b.do(ctx, "write", func(ctx context.Context) error { return b.hand(ctx, txs[at:at+n], outs[at:at+n]) })
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

// hand gives transactions to a lane and waits until they are done.
func (b *Backend) hand(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) error {
	c := &call{ctx: ctx, txs: slices.Clone(txs), outs: make([]backends.Outcome, len(txs)), finished: make(chan struct{})}
	b.waiting.Add(1)
	select {
	case b.calls <- c:
		b.waiting.Add(-1)
	case <-ctx.Done():
		b.waiting.Add(-1)
		return ctx.Err()
	}
	select {
	case <-c.finished:
	case <-ctx.Done():
		return ctx.Err()
	}
	for i := range c.outs {
		outs[i] = c.outs[i]
		outs[i].Err = b.explain(ctx, "write", outs[i].Err)
	}
	return nil
}

// fail answers everything that has no answer yet.
func (c *call) fail(err error) {
	for i := range c.outs {
		if o := &c.outs[i]; o.Err == nil && o.Changes == nil && !o.Replayed {
			o.Err = err
		}
	}
	close(c.finished)
}
