package mongodb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// TestAStrangersTransactionHoldsUpItsDocumentsOnly: while another program has changed a document in a
// transaction that stays open, writes to that document wait, and all others are carried out.
func TestAStrangersTransactionHoldsUpItsDocumentsOnly(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string]func([]backends.Change) []backends.Entry{
		"plain writes": nil,
		"transactions": func([]backends.Change) []backends.Entry {
			now := time.Now()
			return []backends.Entry{{Kind: "test", Key: protocol.NewID(now), Expires: now.Add(time.Hour)}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			h := &mongodbtest.Harness{}
			b := h.Open(t).(*mongodb.Backend)
			write := func(op backends.Op, id string) error {
				_, err := backends.WriteOne(ctx, b, backends.Tx{
					Scope:   protocol.Scope{Workspace: "w", App: "a"},
					Writes:  []backends.Write{{Op: op, Collection: "c", ID: id, Data: []byte(`{"n":1}`)}},
					Entries: entries,
				})
				return err
			}
			require.NoError(t, write(backends.Insert, "held"))
			release := holdAll(t, h.Documents(b))
			held := make(chan error, 10)
			for range cap(held) {
				go func() { held <- write(backends.Update, "held") }()
			}
			for i := range 20 {
				require.NoError(t, write(backends.Insert, fmt.Sprint("other", i)))
				require.NoError(t, write(backends.Update, fmt.Sprint("other", i)))
			}
			early := len(held) // on a busy machine their time may be over
			for range early {
				require.Error(t, <-held, "the document is not held")
			}
			release()
			for range cap(held) - early {
				if err := <-held; err != nil { // its time was over just before
					var refused *protocol.Error
					require.ErrorAs(t, err, &refused)
					require.True(t, refused.Code.Info().Retryable, err)
				}
			}
			require.NoError(t, write(backends.Update, "held"))
		})
	}
}

// holdAll changes every document in a transaction, until release takes that back.
func holdAll(t *testing.T, docs *mongo.Collection) (release func()) {
	t.Helper()
	session, err := docs.Database().Client().StartSession()
	require.NoError(t, err)
	t.Cleanup(func() { session.EndSession(context.Background()) })
	require.NoError(t, session.StartTransaction())
	inside := mongo.NewSessionContext(t.Context(), session)
	_, err = docs.UpdateMany(
		inside,
		bson.D{},
		bson.D{{Key: "$set", Value: bson.D{{Key: "stranger", Value: 1}}}},
	)
	require.NoError(t, err)
	return func() { require.NoError(t, session.AbortTransaction(t.Context())) }
}
