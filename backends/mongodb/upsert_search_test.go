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
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// crowd is a collection that is not small. Many documents share each value but n.
func crowd(t *testing.T, url string) *fixture {
	return newFixture(t, url, func(docs *mongo.Collection) {
		var all []any
		for n := range 3000 {
			doc := foreign(fmt.Sprint("d", n), bson.D{
				{Key: "n", Value: n}, {Key: "text", Value: fmt.Sprint("t", n)}, {Key: "hot", Value: "h"},
				{Key: "o", Value: bson.D{{Key: "a", Value: n}, {Key: "b", Value: "x"}}},
				{Key: "list", Value: bson.A{n, "x"}}, {Key: "nul", Value: nil},
			})
			doc[6].Value = bson.DateTime(1e12 + n)
			all = append(all, doc)
		}
		_, err := docs.InsertMany(t.Context(), all)
		require.NoError(t, err)
	})
}

func (s *fixture) upsertTx(filter string, paths bool) backends.Tx {
	s.Helper()
	f, err := protocol.ParseFilter([]byte(filter), paths)
	require.NoError(s, err)
	return backends.Tx{
		Scope: testScope, At: protocol.Millis(time.Now()), Writes: []backends.Write{{
			Op: backends.Upsert, Collection: "c", NewID: protocol.NewID(time.Now()), Filter: &f, Paths: paths,
			Data: []byte(`{"seen":true}`),
		}},
	}
}

func (s *fixture) upsert(ctx context.Context, filter string, paths bool) (backends.Outcome, error) {
	s.Helper()
	return backends.WriteOne(ctx, s.b, s.upsertTx(filter, paths))
}

// profiled is the greatest number of documents that one command on app_data has read since the
// last call, of those in a transaction and of the others.
func (s *fixture) profiled() (inTransactions, beside int64) {
	s.Helper()
	database := s.docs.Database()
	ctx := s.Context()
	require.NoError(s, database.RunCommand(ctx, bson.D{{Key: "profile", Value: 0}}).Err())
	found, err := database.Collection("system.profile").Find(ctx, bson.D{
		{Key: "ns", Value: database.Name() + ".app_data"},
	})
	require.NoError(s, err)
	var ops []struct {
		DocsExamined int64 `bson:"docsExamined"`
		Command      struct{ Autocommit *bool }
	}
	require.NoError(s, found.All(ctx, &ops))
	for _, op := range ops {
		if op.Command.Autocommit != nil {
			inTransactions = max(inTransactions, op.DocsExamined)
		} else {
			beside = max(beside, op.DocsExamined)
		}
	}
	require.NoError(s, database.Collection("system.profile").Drop(ctx))
	require.NoError(s, database.RunCommand(ctx, bson.D{{Key: "profile", Value: 2}}).Err())
	return inTransactions, beside
}

// TestUpsertReadsLittle: all writes wait for the worker, so its transactions read few documents,
// whatever the filter is. Once a field has its index, nothing reads many.
func TestUpsertReadsLittle(t *testing.T) {
	t.Parallel()
	s := crowd(t, mongodbtest.Database(t))
	for filter, c := range map[string]struct {
		field string // which gets an index
		means string // the document; "" for one that is made at first
		paths bool
	}{
		`{"n":7}`:                     {field: "n", means: "d7"},
		`{"text":"t8"}`:               {field: "text", means: "d8"},
		`{"hot":"h"}`:                 {field: "hot", means: "d2999"},
		`{"hot":"h","n":9}`:           {field: "hot", means: "d9"},
		`{"o":{"a":10,"b":"x"}}`:      {field: "o.a", means: "d10"},
		`{"o.a":11}`:                  {field: "o.a", means: "d11", paths: true},
		`{"list":[12,"x"]}`:           {field: "list", means: "d12"},
		`{"nul":null}`:                {field: "nul", means: "d2999"},
		`{"absent":null}`:             {field: "absent"},
		`{"no":false}`:                {field: "no"},
		`{"empty":{}}`:                {field: "empty"},
		`{"none":[]}`:                 {field: "none"},
		`{"deep":{"o":[{"x":null}]}}`: {field: "deep.o.x"},
		`{"a.b":1}`:                   {},
		`{"lists":[[1]]}`:             {},
	} {
		s.profiled()
		out, err := s.upsert(t.Context(), filter, c.paths)
		require.NoError(t, err, filter)
		inTransactions, beside := s.profiled()
		require.LessOrEqual(t, inTransactions, int64(1001), filter)
		if c.field == "" {
			require.GreaterOrEqual(t, beside, int64(2000), "nobody has searched: the test shows nothing")
		}
		if c.means != "" && c.field != "hot" && c.field != "nul" {
			require.Equal(t, c.means, out.Changes[0].Ref.ID, filter)
		}
		require.Eventually(t, func() bool {
			again, err := s.upsert(t.Context(), filter, c.paths)
			require.NoError(t, err, filter)
			require.Equal(t, backends.Update, again.Changes[0].Op, filter)
			require.Equal(t, out.Changes[0].Ref, again.Changes[0].Ref, filter)
			inTransactions, beside := s.profiled()
			require.LessOrEqual(t, inTransactions, int64(1001), filter)
			return c.field == "" || max(inTransactions, beside) <= 1001
		}, 30*time.Second, time.Millisecond, filter)
	}
}

// TestSearchHoldsNobodyUp: while the server is searching a collection for an upsert, others write
// into it. When the caller leaves, the server's search ends.
func TestSearchHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector has it: it needs a server of its own")
		return
	}
	server := mongodbtest.Start(t, "--setParameter", "enableTestCommands=1")
	s := crowd(t, server.URL("held"))
	admin := s.docs.Database().Client().Database("admin")
	hold := func(mode string) {
		require.NoError(t, admin.RunCommand(context.Background(), bson.D{
			{Key: "configureFailPoint", Value: "waitInFindBeforeMakingBatch"}, {Key: "mode", Value: mode},
			{Key: "data", Value: bson.D{
				{Key: "nss", Value: "held.app_data"}, {Key: "shouldCheckForInterrupt", Value: true},
			}},
		}).Err())
	}
	held := func() bool {
		found, err := admin.Aggregate(t.Context(), mongo.Pipeline{
			{{Key: "$currentOp", Value: bson.D{}}},
			{{Key: "$match", Value: bson.D{{Key: "failpointMsg", Value: "waitInFindBeforeMakingBatch"}}}},
		})
		require.NoError(t, err)
		defer found.Close(t.Context())
		return found.Next(t.Context())
	}
	hold("alwaysOn")
	defer hold("off")
	ctx, leave := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		_, err := s.upsert(ctx, `{"lists":[[1]]}`, false)
		answer <- err
	}()
	require.Eventually(t, held, 30*time.Second, time.Millisecond)
	for _, collection := range []string{"c", "other"} {
		_, err := s.write("", backends.Write{
			Op: backends.Insert, Collection: collection, ID: protocol.NewID(time.Now()), Data: []byte(`{"n":1}`),
		})
		require.NoError(t, err)
	}
	require.True(t, held(), "the search was over: the test shows nothing")
	leave()
	require.ErrorIs(t, <-answer, context.Canceled)
	require.Eventually(t, func() bool { return !held() }, 30*time.Second, time.Millisecond)
	hold("off")
	out, err := s.upsert(t.Context(), `{"lists":[[1]]}`, false)
	require.NoError(t, err)
	require.Equal(t, backends.Insert, out.Changes[0].Op)
}

// TestSearchedInTheMeantime: what others commit between a search and the worker's transaction counts.
func TestSearchedInTheMeantime(t *testing.T) {
	t.Parallel()
	insert := func(data string) *backends.Write {
		return &backends.Write{Op: backends.Insert, Collection: "c", ID: "x", Data: []byte(data)}
	}
	for name, c := range map[string]struct {
		then  *backends.Write // nil: an upsert by filter of another document
		means string          // "" for none
		err   error
	}{
		"another document": {insert(`{}`), "b", nil},
		"a newer match":    {insert(`{"k":1}`), "x", nil},
		"another upsert":   {nil, "", driverkit.ErrSearchFirst},
		"the match gone":   {&backends.Write{Op: backends.Delete, ID: "b"}, "", driverkit.ErrSearchFirst},
		"no match any more": {
			&backends.Write{Op: backends.Update, ID: "b", Data: []byte(`{"k":2}`)}, "", driverkit.ErrSearchFirst,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, mongodbtest.Database(t), nil)
			for _, id := range []string{"a", "b"} {
				_, err := s.write("", backends.Write{Op: backends.Insert, ID: id, Data: []byte(`{"k":1}`)})
				require.NoError(t, err)
				require.Eventually(t, func() bool { // the next one has a later time
					return time.Now().After(s.get(id).Updated.Add(time.Millisecond))
				}, 10*time.Second, time.Millisecond)
			}
			carryOut, err := s.b.SearchFirst(t.Context(), s.upsertTx(`{"k":1}`, false))
			require.NoError(t, err)
			if c.then != nil {
				_, err = s.write("", *c.then)
			} else {
				_, err = s.upsert(t.Context(), `{"k":7}`, false)
			}
			require.NoError(t, err)
			out := carryOut()
			require.ErrorIs(t, out.Err, c.err)
			if c.err == nil {
				require.Equal(t, c.means, out.Changes[0].Ref.ID)
			}
			out, err = s.upsert(t.Context(), `{"k":1}`, false)
			require.NoError(t, err)
			require.Equal(t, backends.Update, out.Changes[0].Op)
		})
	}
}

// TestSearchedAndPlain: of the transactions of one call, those before one that needs a search and
// those after it take effect in their order.
func TestSearchedAndPlain(t *testing.T) {
	t.Parallel()
	s := crowd(t, mongodbtest.Database(t))
	insert := s.upsertTx(`{"lists":[[1]]}`, false)
	insert.Writes = []backends.Write{
		{Op: backends.Insert, Collection: "c", ID: "x", Data: []byte(`{"lists":[[1]]}`)},
	}
	remove := insert
	remove.Writes = []backends.Write{{Op: backends.Delete, Collection: "c", ID: "x"}}
	outs := s.b.Write(t.Context(), []backends.Tx{
		insert, s.upsertTx(`{"lists":[[1]]}`, false), remove, s.upsertTx(`{"lists":[[1]]}`, false),
	})
	for _, o := range outs {
		require.NoError(t, o.Err)
	}
	require.Equal(t, "x", outs[1].Changes[0].Ref.ID)
	require.Equal(t, backends.Insert, outs[3].Changes[0].Op)
}
