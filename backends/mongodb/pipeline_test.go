package mongodb_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// shuffled is data of a few fields in random order.
func shuffled(dice *rand.Rand, depth int) bson.D {
	d := bson.D{}
	for _, i := range dice.Perm(5)[:1+dice.IntN(5)] {
		var v any = dice.IntN(3)
		switch {
		case depth > 0 && dice.IntN(3) == 0:
			v = shuffled(dice, depth-1)
		case dice.IntN(4) == 0:
			v = bson.A{dice.IntN(3), dice.IntN(3)}
		}
		d = append(d, bson.E{Key: string(rune('a' + i)), Value: v})
	}
	return d
}

// TestOutsidePipelines: of an update by a pipeline, the feed returns the result, also if it has
// moved fields. The server logs the difference of such an update, and its image for a change stream
// has names twice.
func TestOutsidePipelines(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: it is one goroutine after the other")
		return
	}
	for seed := range uint64(4) { // each waits for the server nearly all the time
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			outsidePipelines(t, rand.New(rand.NewPCG(7, seed)), 100)
		})
	}
}

func outsidePipelines(t *testing.T, dice *rand.Rand, updates int) {
	s := newFixture(t, mongodbtest.Database(t), nil)
	start, f := s.now(), s.watch()
	// it makes the difference shorter than the document
	padding := bson.E{Key: "padding", Value: strings.Repeat("x", 2000)}
	elsewhere := protocol.Ref{Scope: protocol.Scope{Workspace: "w2", App: "a"}, Collection: "d", ID: "x"}
	for i := range updates {
		_, err := s.docs.InsertOne(t.Context(), append(foreign("x", append(shuffled(dice, 2), padding)), padding))
		require.NoError(t, err)
		s.changesNow(f)
		data := shuffled(dice, 2)
		doc := append(foreign("x", slices.Insert(data, dice.IntN(len(data)+1), padding)), padding)
		where := in("x")
		if dice.IntN(2) == 0 { // fields of the document itself move too
			if dice.IntN(2) == 0 {
				where = elsewhere
				doc[1].Value, doc[3].Value = "w2", "d"
			}
			fields := doc[1:]
			dice.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		}
		_, err = s.docs.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "x"}},
			mongo.Pipeline{{{Key: "$replaceWith", Value: bson.D{{Key: "$literal", Value: doc}}}}})
		require.NoError(t, err)
		want, _, err := s.b.Get(t.Context(), where, nil)
		require.NoError(t, err)
		require.NotNil(t, want)
		batch := s.changesNow(f)
		require.False(t, batch.LostAll)
		require.Equal(t, want, lastOf(batch.Changes, where), "update %d", i)
		require.Equal(t, where != in("x"), hasDelete(batch.Changes, in("x")))
		if i%10 == 0 {
			there, err := s.b.Since(t.Context(), where.Scope, start, 0)
			require.NoError(t, err)
			require.Equal(t, want, lastOf(there.Changes, where), "since, update %d", i)
		}
		start = batch.Cursor
		_, err = s.docs.DeleteOne(t.Context(), bson.D{})
		require.NoError(t, err)
	}
}

func hasDelete(changes []backends.Change, r protocol.Ref) bool {
	return slices.ContainsFunc(changes, func(c backends.Change) bool {
		return c.Ref == r &&
			c.Op == backends.Delete
	})
}
