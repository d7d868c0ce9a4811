package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// StreamFrom opens a stream that begins at a time, reads so many groups, and returns how far it has come.
func (b *Backend) StreamFrom(
	ctx context.Context, begin bson.Timestamp, wait time.Duration, groups int,
) (bson.Timestamp, error) {
	s, err := b.follow(ctx, cursor{at: begin}, wait)
	if err != nil {
		return begin, err
	}
	defer s.close(ctx)
	for range groups {
		if _, _, err := s.next(ctx); err != nil {
			return s.at, err
		}
	}
	return s.at, nil
}

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
