package mongodb_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// TestStreamThatBeginsAheadOfTheServer has not looked where it begins, although the server says so: a
// feed that believed it would skip what is committed there afterwards.
func TestStreamThatBeginsAheadOfTheServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	b := (&mongodbtest.Harness{}).Open(t).(*mongodb.Backend)
	ahead := bson.Timestamp{T: uint32(time.Now().Unix()) + 3600, I: 1}
	reached, err := b.StreamFrom(ctx, ahead, 50*time.Millisecond, 3)
	require.NoError(t, err)
	require.Equal(t, ahead, reached)
}
