package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// TestMaintenanceRemovesOldMutations: mutations older than a day are removed in chunks, younger
// ones stay.
func TestMaintenanceRemovesOldMutations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "a.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	now := protocol.Millis(time.Now())
	const many = 2*chunk + 100
	write := func(i int, at time.Time) backends.Outcome {
		return b.Write(ctx, []backends.Tx{{
			Scope: protocol.Scope{Workspace: "w", App: "a"}, At: at, Mutation: fmt.Sprint("m", i),
			Writes: []backends.Write{{Op: backends.Upsert, Collection: "c", ID: "d", Data: []byte("{}")}},
		}})[0]
	}
	var txs []backends.Tx
	for i := range many {
		at := now
		if i%2 == 0 {
			at = now.Add(-25 * time.Hour)
		}
		txs = append(txs, backends.Tx{
			Scope: protocol.Scope{Workspace: "w", App: "a"}, At: at, Mutation: fmt.Sprint("m", i),
			Writes: []backends.Write{{Op: backends.Upsert, Collection: "c", ID: "d", Data: []byte("{}")}},
		})
	}
	for _, o := range b.Write(ctx, txs) {
		require.NoError(t, o.Err)
	}
	require.NoError(t, b.clean(ctx, time.Now()))
	require.Nil(t, b.sweepFrom, "the sweep reached the end")
	var left int64
	require.NoError(t, b.inWriter(ctx, "count", func(c *conn) error {
		_, err := c.one(ctx, "SELECT count(*) FROM app_data_mutations", nil, &left)
		return err
	}))
	require.EqualValues(t, many/2, left)
	require.True(t, write(1, now).Replayed, "a young mutation is recorded")
	require.False(t, write(0, now).Replayed, "an old mutation is not")
}
