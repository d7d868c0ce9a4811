package mongodb_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// big is nearly the largest size that the server stores in one document.
const big = 16<<20 - 16<<10

var other = protocol.Scope{Workspace: "w", App: "other"}

// TestBigDocuments: documents of other programs, of any size that the server stores, cost a reset
// of their scope at most. They never cost the feed, nor changes of other scopes.
func TestBigDocuments(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: documents of 16 MiB take minutes with it")
		return
	}
	t.Parallel()
	s := newFixture(t, mongodbtest.Start(t, "--wiredTigerCacheSizeGB", "1", "--oplogSize", "1024").URL("apps"),
		nil)
	start, f := s.now(), s.watch()
	x := bson.D{{Key: "_id", Value: "x"}}
	text := func(char string, n int) bson.D { return bson.D{{Key: "s", Value: strings.Repeat(char, n)}} }
	set := func(name string, v any) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.docs.UpdateOne(ctx, x, bson.D{{Key: "$set", Value: bson.D{{Key: name, Value: v}}}})
			return err
		}
	}
	for i, step := range []struct {
		name string
		do   func(context.Context) error
		size int // of the data of x; -1 if x is not in testScope
	}{
		{"inserted", func(ctx context.Context) error {
			_, err := s.docs.InsertOne(ctx, foreign("x", text("a", big)))
			return err
		}, big + 8},
		{"a field set", set("data.n", 1), big + 14},
		{"replaced", func(ctx context.Context) error {
			_, err := s.docs.ReplaceOne(ctx, x, foreign("x", text("b", big)))
			return err
		}, big + 8},
		{"data set", set("data.s", strings.Repeat("c", big)), big + 8},
		{"moved away", set("appId", "elsewhere"), -1},
		{"moved back", set("appId", "a"), big + 8},
		{"removed", func(ctx context.Context) error { _, err := s.docs.DeleteOne(ctx, x); return err }, -1},
		{"something of theirs beside", func(ctx context.Context) error {
			_, err := s.docs.InsertOne(ctx, foreign("x", text("d", 1), bson.E{Key: "blob", Value: make([]byte, big)}))
			return err
		}, 9},
		{"that replaced", set("blob", make([]byte, big-1)), 9},
		{"a field set beside it", set("data.s", ""), 8},
		{"that moved", func(ctx context.Context) error {
			_, err := s.docs.UpdateOne(ctx, x, mongo.Pipeline{{{Key: "$replaceWith",
				Value: bson.D{{Key: "$mergeObjects", Value: bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "blob", Value: 1},
					{Key: "new", Value: 1}}, "$$ROOT"}}}}}})
			return err
		}, 8},
		{"removed again", func(ctx context.Context) error { _, err := s.docs.DeleteOne(ctx, x); return err }, -1},
	} {
		before := s.now()
		require.NoError(t, step.do(t.Context()), step.name)
		doc := foreign(fmt.Sprint("n", i), bson.D{})
		doc[2].Value = "other"
		_, err := s.docs.InsertOne(t.Context(), doc)
		require.NoError(t, err)
		batch := s.changesNow(f)
		require.False(t, batch.LostAll, step.name)
		require.NotNil(t, lastOf(batch.Changes, protocol.Ref{Scope: other, Collection: "c",
			ID: fmt.Sprint("n", i)}), step.name)
		have, changes := s.get("x"), s.since(before).Changes
		if step.size < 0 {
			require.Nil(t, have, step.name)
		} else {
			require.NotNil(t, have, step.name)
			require.Equal(t, step.size, len(have.Data), step.name)
		}
		require.True(t, same(have, lastOf(changes, in("x"))), step.name)
		require.NotEmpty(t, changes, step.name)
		if len(batch.Lost) > 0 {
			where := testScope
			if step.name == "moved away" {
				where.App = "elsewhere"
			} else {
				require.Greater(t, step.size, backends.MaxScopeBatch, step.name)
			}
			require.Equal(t, []protocol.Scope{where}, batch.Lost, step.name)
		} else {
			require.True(t, same(have, lastOf(batch.Changes, in("x"))), step.name)
		}
	}
	require.Len(t, s.since(start).Lost, 0)
}

// same compares documents that are too big to print.
func same(a, b *protocol.Document) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Rev == b.Rev && bytes.Equal(a.Data, b.Data)
}

// TestBigDocumentsAreWritten: a client may delete a document that exceeds the gateway's bound, or
// make it smaller.
func TestBigDocumentsAreWritten(t *testing.T) {
	if testing.Short() {
		t.Log("with the race detector, 16 MiB take longer than a group of writes may")
		return
	}
	t.Parallel()
	for way, mutation := range map[string]string{"without a transaction": "", "in a transaction": "m"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, mongodbtest.Start(t, "--wiredTigerCacheSizeGB", "1").URL("apps"),
				func(docs *mongo.Collection) {
					for _, id := range []string{"x", "y"} {
						_, err := docs.InsertOne(t.Context(), foreign(id, bson.D{{Key: "s", Value: strings.Repeat("a", big)}}))
						require.NoError(t, err)
					}
				})
			f := s.watch()
			_, err := s.write(mutation, backends.Write{Op: backends.Update, ID: "x", Data: []byte(`{"t":"more"}`)})
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, protocol.CodeTooLarge, refused.Code)
			_, err = s.write(mutation, backends.Write{Op: backends.Update, ID: "x", Data: []byte(`{"s":"less"}`)})
			require.NoError(t, err)
			require.Equal(t, `{"s":"less"}`, string(s.get("x").Data))
			_, err = s.write(mutation+"2", backends.Write{Op: backends.Delete, ID: "y"})
			require.NoError(t, err)
			require.Nil(t, s.get("y"))
			require.False(t, s.changesNow(f).LostAll)
		})
	}
}

// TestTransactionOverReplies: a transaction whose events the server cuts into several replies comes
// in one batch.
func TestTransactionOverReplies(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Start(t, "--wiredTigerCacheSizeGB", "1", "--oplogSize", "1024").URL("apps"),
		nil)
	f := s.watch()
	session, err := s.docs.Database().Client().StartSession()
	require.NoError(t, err)
	defer session.EndSession(t.Context())
	const n = 40
	_, err = session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
		for i := range n {
			doc := foreign(fmt.Sprint(i), bson.D{{Key: "s", Value: strings.Repeat("x", 1<<20)}})
			doc[2].Value = fmt.Sprint("app", i)
			if _, err := s.docs.InsertOne(ctx, doc); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	require.NoError(t, err)
	for {
		batch, err := f.Next(t.Context())
		require.NoError(t, err)
		require.Empty(t, batch.Lost)
		if len(batch.Changes) > 0 {
			require.Len(t, batch.Changes, n)
			return
		}
	}
}

// TestOversizeEvent: if names are so long that the server cannot send an event, the event's scope
// is lost and no other, and the feed goes on.
func TestOversizeEvent(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Start(t, "--wiredTigerCacheSizeGB", "1").URL("apps"),
		func(docs *mongo.Collection) {
			doc := foreign("x", bson.D{})
			doc[3].Value = strings.Repeat("c", 9<<20)
			_, err := docs.InsertOne(t.Context(), doc)
			require.NoError(t, err)
		})
	start, f := s.now(), s.watch()
	_, err := s.docs.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "x"}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "data.n", Value: 1}}}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for lost := false; !lost; {
		batch, err := f.Next(ctx)
		require.NoError(t, err)
		require.False(t, batch.LostAll, "others must list again too")
		if lost = len(batch.Lost) > 0; lost {
			require.Equal(t, []protocol.Scope{testScope}, batch.Lost)
		}
	}
	s.requireReady(f)
	require.Equal(t, []protocol.Scope{testScope}, s.since(start).Lost)
}
