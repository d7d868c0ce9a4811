package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

const (
	replayWriters = 12
	replayDocs    = 30
)

// TestReplays: 12 gateways and outside writers write with transactions. A list and the changes
// after its cursor must give the next list, by the feed and by Since. SECONDGATE_REPLAYS is the
// number of checks.
func TestReplays(t *testing.T) {
	t.Parallel()
	wanted := 300
	if n, err := strconv.Atoi(os.Getenv("SECONDGATE_REPLAYS")); err == nil {
		wanted = n
	}
	if testing.Short() {
		wanted = 20
	}
	h := &mongodbtest.Harness{}
	b := h.Open(t)
	r := &replays{T: t, b: b, sides: []backends.Backend{b, h.Reopen(t, b)}}
	feed, err := b.Watch(t.Context(), nil)
	require.NoError(t, err)
	defer feed.Close()
	var writers sync.WaitGroup
	for i := range replayWriters {
		outside := h.Outside(t, b)
		writers.Go(func() { r.write(i, outside) })
	}
	defer writers.Wait()
	defer r.stop.Store(true)
	checks := r.check(feed, wanted)
	t.Logf("%d lists and replays, %d commits", checks, r.commits.Load())
}

type replays struct {
	*testing.T
	b       backends.Backend
	sides   []backends.Backend
	stop    atomic.Bool
	commits atomic.Int64
}

// write commits at random. A third of the writers are outside writers, whose transactions change
// several documents.
func (r *replays) write(i int, outside conformance.Outside) {
	for n := 0; !r.stop.Load(); n++ {
		if i%3 == 0 {
			var steps []conformance.Step
			for range 1 + rand.N(4) {
				steps = append(steps, conformance.Step{Kind: []string{"replace", "update", "delete"}[rand.N(3)],
					Ref: r.randomRef(), Data: fmt.Sprintf(`{"by":%d,"n":%d}`, i, n)})
			}
			outside.Do(r.T, rand.N(5) > 0, steps...)
		} else {
			tx := backends.Tx{Scope: note("").Scope, At: protocol.Millis(time.Now())}
			for range 1 + rand.N(4) {
				op := []backends.Op{backends.Upsert, backends.Upsert, backends.Delete}[rand.N(3)]
				tx.Writes = append(tx.Writes, backends.Write{Op: op, Collection: "notes", ID: r.randomRef().ID,
					Data: fmt.Appendf(nil, `{"by":%d,"n":%d}`, i, n)})
			}
			_, err := backends.WriteOne(r.Context(), r.sides[i%2], tx)
			switch protocol.CodeOf(err) {
			case "", protocol.CodeNotFound:
			case protocol.CodeUnavailable: // on a busy machine another gateway may take this one for dead
				r.Log(err)
			default:
				if !r.stop.Load() {
					r.Errorf("write: %v", err)
					return
				}
			}
		}
		r.commits.Add(1)
	}
}

func (r *replays) randomRef() protocol.Ref { return note(fmt.Sprint("d", rand.N(replayDocs))) }

// snapshot is the documents of a collection at a cursor, by id.
type snapshot struct {
	docs map[string]string
	at   backends.Cursor
}

// check lists again and again. Each list, with the changes of the feed that it does not cover, must
// equal the feed's own copy. So must each list together with the changes of Since.
func (r *replays) check(feed backends.Feed, wanted int) (checks int) {
	copied := snapshot{map[string]string{}, feed.Cursor()}
	for !r.Failed() && checks < wanted {
		first := r.list()
		time.Sleep(time.Duration(rand.N(5)) * time.Millisecond)
		batch, err := r.b.Since(r.Context(), note("").Scope, first.at, 0)
		require.NoError(r, err)
		require.Empty(r, batch.Lost)
		later := snapshot{maps.Clone(first.docs), batch.Cursor}
		later.apply(batch.Changes)

		var followed []backends.Change
		for !feed.Cursor().Reached(later.at) {
			batch, err := feed.Next(r.Context())
			require.NoError(r, err)
			require.False(r, batch.LostAll || len(batch.Lost) > 0)
			followed = append(followed, batch.Changes...)
		}
		copied.apply(followed)
		for _, s := range []snapshot{first, later} {
			s.apply(slices.DeleteFunc(slices.Clone(followed), s.at.Covers))
			require.Equal(r, copied.docs, s.docs, "a list and the changes after it are not what is there")
			checks++
		}
	}
	return checks
}

func (s *snapshot) apply(changes []backends.Change) {
	for _, c := range changes {
		if c.Doc == nil {
			delete(s.docs, c.Ref.ID)
		} else {
			s.docs[c.Ref.ID] = c.Doc.Rev
		}
	}
}

func (r *replays) list() snapshot {
	page, err := r.b.List(r.Context(), note("").Scope, backends.Query{Collection: "notes"})
	require.NoError(r, err)
	docs := map[string]string{}
	for _, d := range page.Docs {
		docs[d.ID] = d.Rev
	}
	return snapshot{docs, page.Cursor}
}

// TestConcurrentUpsertsMakeOneDocument: of 16 callers on two gateways that upsert by one filter at
// once, one makes the document, 200 times.
func TestConcurrentUpsertsMakeOneDocument(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for part := range 4 { // each waits for the server most of the time
		t.Run(fmt.Sprint("part ", part), func(t *testing.T) {
			t.Parallel()
			concurrentUpserts(t, rounds)
		})
	}
}

func concurrentUpserts(t *testing.T, rounds int) {
	h := &mongodbtest.Harness{}
	b := h.Open(t)
	sides := []backends.Backend{b, h.Reopen(t, b)}
	for round := range rounds {
		var callers sync.WaitGroup
		var made atomic.Int32
		for i := range 16 {
			callers.Go(func() {
				o, err := backends.WriteOne(t.Context(), sides[i%2], upsertBy(fmt.Sprintf(`{"round":%d}`, round),
					fmt.Sprintf(`{"w%d":1}`, i)))
				if err != nil {
					t.Errorf("upsert: %v", err)
				} else if o.Changes[0].Op == backends.Insert {
					made.Add(1)
				}
			})
		}
		callers.Wait()
		require.Equal(t, int32(1), made.Load(), "round %d", round)
	}
	page, err := b.List(t.Context(), note("").Scope, backends.Query{Collection: "notes"})
	require.NoError(t, err)
	require.Len(t, page.Docs, rounds)
}

func upsertBy(filter, data string) backends.Tx {
	f, err := protocol.ParseFilter([]byte(filter), false)
	if err != nil {
		panic(err) // the filter is this test's own
	}
	return backends.Tx{Scope: note("").Scope, At: protocol.Millis(time.Now()), Writes: []backends.Write{
		{Op: backends.Upsert, Collection: "notes", NewID: protocol.NewID(time.Now()), Filter: &f,
			Data: []byte(data)},
	}}
}

// TestLocksAreRemoved: the server removes the lock documents of collections that nobody upserts into.
func TestLocksAreRemoved(t *testing.T) {
	t.Parallel()
	url := mongodbtest.Database(t)
	b := open(t, url)
	_, err := backends.WriteOne(t.Context(), b, upsertBy(`{"key":1}`, `{"n":1}`))
	require.NoError(t, err)
	locks := outsider(t, url).Database().Collection("app_data_locks")
	dated := bson.D{{Key: "at", Value: bson.D{{Key: "$type", Value: "date"}}}}
	n, err := locks.CountDocuments(t.Context(), dated)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	specs, err := locks.Indexes().ListSpecifications(t.Context())
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(specs, func(s mongo.IndexSpecification) bool {
		return s.ExpireAfterSeconds != nil && s.KeysDocument.Lookup("at").Type != 0
	}))
}

// TestUpsertIndex: once a collection has grown, upserts by a field make an index for the field and
// use it.
func TestUpsertIndex(t *testing.T) {
	t.Parallel()
	url := mongodbtest.Database(t)
	b := open(t, url)
	docs := outsider(t, url)
	var padding []any
	for i := range 1500 {
		padding = append(padding, stored(fmt.Sprint("p", i), map[string]any{"key": fmt.Sprint("old", i)}))
	}
	_, err := docs.InsertMany(t.Context(), padding)
	require.NoError(t, err)
	upsert := func(key string) backends.Change {
		o, err := backends.WriteOne(t.Context(), b, upsertBy(fmt.Sprintf(`{"key":%q}`, key), `{"n":1}`))
		require.NoError(t, err)
		return o.Changes[0]
	}
	require.Equal(t, backends.Insert, upsert("new").Op)
	require.Eventually(t, func() bool {
		upsert("new") // only fields that are used repeatedly get one
		specs, err := docs.Indexes().ListSpecifications(context.Background())
		for _, s := range specs {
			if s.Name == "secondgate_upsert_key" {
				return true
			}
		}
		return errors.Join(err) != nil
	}, 30*time.Second, 20*time.Millisecond)
	require.Equal(t, backends.Update, upsert("new").Op)
	require.Equal(t, backends.Update, upsert("old7").Op)
	// The server lists an index while it builds it.
	require.Eventually(t, func() bool { return examined(t, docs, "old8") <= 1 }, 30*time.Second,
		20*time.Millisecond, "the look-up reads more than what it finds")
}
