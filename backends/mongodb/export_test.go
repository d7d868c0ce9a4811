package mongodb

import (
	"context"

	"github.com/secondgate/secondgate/backends"
)

// SearchFirst searches for the upserts of a transaction, and returns how to carry it out.
func (b *Backend) SearchFirst(
	ctx context.Context, tx backends.Tx,
) (write func() backends.Outcome, err error) {
	txs := []backends.Tx{tx}
	searches, _, err := b.searchFor(ctx, txs, true)
	return func() backends.Outcome {
		outs := make([]backends.Outcome, 1)
		if err := b.awaitWorker(ctx, txs, outs, searches); err != nil {
			outs[0].Err = err
		}
		return outs[0]
	}, err
}
