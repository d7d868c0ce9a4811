package sqlite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

func TestWriteThenRead(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	f := watch(t, b, nil)

	made := write(t, b, tx(insert("a", `{"n":1}`))).Changes[0]
	require.Equal(t, made.Doc, get(t, b, note("a")))

	batch := next(t, f)
	require.Len(t, batch.Changes, 1)
	require.Equal(t, made.Doc, batch.Changes[0].Doc)
	require.Equal(t, backends.Insert, batch.Changes[0].Op)
	require.Equal(t, robot, batch.Changes[0].By)
	require.True(t, batch.Cursor.Covers(made))
	require.False(t, batch.Cursor.Reached(nil))

	changed := write(t, b, tx(update("a", `{"n":2}`))).Changes[0]
	require.False(t, batch.Cursor.Covers(changed))
	require.Equal(t, made.Doc, changed.Before)
	require.Equal(t, changed.Doc, next(t, f).Changes[0].Doc)

	write(t, b, tx(backends.Write{Op: backends.Delete, Collection: "notes", ID: "a"}))
	gone := next(t, f).Changes[0]
	require.Equal(t, backends.Delete, gone.Op)
	require.Nil(t, gone.Doc)
	require.Nil(t, get(t, b, note("a")))
}

func TestRefusedTransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	write(t, b, tx(insert("taken", `{}`)))
	before := now(t, b)

	refused := tx(insert("new", `{}`), insert("taken", `{"n":1}`))
	refused.Mutation = "m"
	_, err := backends.WriteOne(context.Background(), b, refused)
	require.Equal(t, protocol.CodeAlreadyExists, protocol.CodeOf(err))
	var which *backends.WriteError
	require.True(t, errors.As(err, &which))
	require.Equal(t, 1, which.Index)
	require.Nil(t, get(t, b, note("new")))
	require.Equal(t, before, now(t, b))

	refused.Writes = refused.Writes[:1] // the refusal was not recorded
	require.False(t, write(t, b, refused).Replayed)
}

func TestRefusedSingleWriteIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	first := tx(update("a", `{"n":1}`))
	first.Mutation = "m"
	_, err := backends.WriteOne(context.Background(), b, first)
	require.Equal(t, protocol.CodeNotFound, protocol.CodeOf(err))
	write(t, b, tx(insert("a", `{}`)))
	require.False(t, write(t, b, first).Replayed)
	require.True(t, write(t, b, first).Replayed)
}

func TestWithheldRowCountsAsExisting(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	sqlitetest.CLI(t, b.Path(), `INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		VALUES ('w','app','notes','big','{"n":1e400}');`)
	require.Nil(t, get(t, b, note("big")))
	_, err := backends.WriteOne(context.Background(), b, tx(insert("big", `{}`)))
	require.Equal(t, protocol.CodeAlreadyExists, protocol.CodeOf(err))
	_, err = backends.WriteOne(context.Background(), b, tx(update("big", `{}`)))
	require.Equal(t, protocol.CodeNotFound, protocol.CodeOf(err))
}

func TestWriteAfterClose(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	require.NoError(t, b.Close())
	_, err := backends.WriteOne(context.Background(), b, tx(insert("a", `{}`)))
	require.Equal(t, protocol.CodeUnavailable, protocol.CodeOf(err))
}

func TestJobOfCanceledCallerIsDropped(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := backends.WriteOne(ctx, b, tx(insert("a", `{}`)))
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, get(t, b, note("a")))
}
