package sqlite_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	f, err := protocol.ParseFilter([]byte(`{"key":1}`), false)
	require.NoError(t, err)
	first := tx(insert("a", `{"n":1}`), backends.Write{Op: backends.Upsert, Collection: "notes", NewID: "made",
		Filter: &f, Data: []byte(`{}`)})
	first.Mutation, first.Digest = "m", [32]byte{1}
	done := write(t, b, first)
	changed := write(t, b, tx(update("a", `{"n":2}`))).Changes[0]

	again := first
	again.Writes = []backends.Write{first.Writes[0], first.Writes[1]}
	again.Writes[1].NewID = "another"
	replayed := write(t, b, again)
	require.True(t, replayed.Replayed)
	require.Equal(t, changed.Doc, replayed.Changes[0].Doc)
	require.Equal(t, backends.Insert, replayed.Changes[1].Op)
	require.Equal(t, "made", replayed.Changes[1].Ref.ID)
	require.Nil(t, replayed.Changes[0].Commit)
	require.True(t, replayed.Cursor.Covers(done.Changes[0]))

	other := first
	other.Digest = [32]byte{2}
	_, err = backends.WriteOne(context.Background(), b, other)
	require.Equal(t, protocol.CodeMutationMismatch, protocol.CodeOf(err))

	other.Principal = "agent:other" // mutation ids belong to a principal
	_, err = backends.WriteOne(context.Background(), b, other)
	require.Equal(t, protocol.CodeAlreadyExists, protocol.CodeOf(err))
}

// TestCollision: if two mutations have the same key, the digest tells them apart, and the second
// one is refused.
func TestCollision(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	first := tx(insert("a", `{}`))
	first.Mutation = "m"
	write(t, b, first)
	sqlitetest.CLI(t, b.Path(), `UPDATE app_data_mutations SET digest = randomblob(16);`)
	_, err := backends.WriteOne(context.Background(), b, first)
	require.Equal(t, protocol.CodeMutationMismatch, protocol.CodeOf(err))
}

// TestConcurrentRetries: of many copies of one request in one group, one is carried out.
func TestConcurrentRetries(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	var txs []backends.Tx
	for range 20 {
		one := tx(insert("a", `{}`))
		one.Mutation = "m"
		txs = append(txs, one)
	}
	carriedOut := 0
	for _, out := range b.Write(context.Background(), txs) {
		require.NoError(t, out.Err)
		if !out.Replayed {
			carriedOut++
		}
	}
	require.Equal(t, 1, carriedOut)
}
