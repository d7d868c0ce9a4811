package mongodb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// watchAgain watches from a cursor, again for as long as the machine is too busy for it.
func watchAgain(t *testing.T, b *mongodb.Backend, from backends.Cursor) backends.Feed {
	t.Helper()
	for {
		f, err := b.Watch(t.Context(), from)
		if protocol.CodeOf(err) == protocol.CodeUnavailable && t.Context().Err() == nil {
			continue
		}
		require.NoError(t, err)
		return f
	}
}

// TestBigTransactions: transactions of another program with many events come whole, and so do
// events of other writes beside them. At each cursor of the feed, the copy equals what the database
// itself says that it held at that time.
func TestBigTransactions(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: documents of 16 MiB take minutes with it")
		return
	}
	t.Parallel()
	h := &mongodbtest.Harness{}
	b := h.Open(t).(*mongodb.Backend)
	oracle := h.Oracle(t, b)
	docs := h.Documents(b)
	_, start, err := b.Get(t.Context(), in("nothing"), nil)
	require.NoError(t, err)
	f, err := b.Watch(t.Context(), start)
	require.NoError(t, err)
	defer func() { f.Close() }()
	written := make(chan error, 1)
	go func() { written <- writeMuch(t.Context(), docs) }()
	copied, batches, done, told := map[string]string{}, 0, false, start
	for end := backends.Cursor(nil); ; {
		batch, err := f.Next(t.Context())
		if protocol.CodeOf(err) == protocol.CodeUnavailable { // as a hub does on a busy machine
			f.Close()
			f = watchAgain(t, b, told)
			continue
		}
		require.NoError(t, err)
		told = batch.Cursor
		require.False(t, batch.LostAll)
		require.Empty(t, batch.Lost)
		for _, c := range batch.Changes {
			if delete(copied, c.Ref.ID); c.Doc != nil {
				copied[c.Ref.ID] = c.Doc.Rev
			}
		}
		if len(batch.Changes) > 0 {
			batches++
			requireCopy(t, oracle(t, testScope, batch.Cursor), copied)
		}
		if done && batch.Cursor.Reached(end) {
			break
		}
		if !done {
			select {
			case err := <-written:
				require.NoError(t, err)
				done = true
				_, end, err = b.Get(t.Context(), in("nothing"), nil)
				require.NoError(t, err)
			default:
			}
		}
	}
	require.Greater(t, batches, 1) // the number depends on the machine
	all, err := b.Since(t.Context(), testScope, start, 0)
	for protocol.CodeOf(err) == protocol.CodeUnavailable { // likewise
		all, err = b.Since(t.Context(), testScope, start, 0)
	}
	require.NoError(t, err)
	require.Len(t, all.Changes, len(copied))
}

func requireCopy(t *testing.T, was map[string]map[string]protocol.Document, copied map[string]string) {
	t.Helper()
	require.Len(t, was["c"], len(copied), "a transaction is torn")
	for id, d := range was["c"] {
		require.Equal(t, copied[id], d.Rev, id)
	}
}

// writeMuch mixes transactions of 2,000 documents, of 600 bytes each, with bulk writes. Replies of
// the change stream end within both.
func writeMuch(ctx context.Context, docs *mongo.Collection) error {
	for round := range 8 {
		bulk := make(chan error, 1)
		go func() { bulk <- writeBulk(ctx, docs, round) }()
		err := writeAtOnce(ctx, docs, round)
		if e := <-bulk; err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeBulk(ctx context.Context, docs *mongo.Collection, round int) error {
	var models []mongo.WriteModel
	for i := range 1000 {
		id := fmt.Sprint("bulk-", i)
		models = append(models, mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id",
			Value: id}}).SetReplacement(foreign(id, bson.D{{Key: "n", Value: round}})).SetUpsert(true))
	}
	_, err := docs.BulkWrite(ctx, models)
	return err
}

func writeAtOnce(ctx context.Context, docs *mongo.Collection, round int) error {
	session, err := docs.Database().Client().StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		if round == 0 {
			var all []any
			for i := range 2000 {
				all = append(all, foreign(fmt.Sprint("tx-", i), bson.D{{Key: "n", Value: 0},
					{Key: "padding", Value: strings.Repeat("x", 600)}}))
			}
			return docs.InsertMany(ctx, all)
		}
		return docs.UpdateMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: "tx-"}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "data.n", Value: round}}}})
	})
	return err
}
