package mongodb

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
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
