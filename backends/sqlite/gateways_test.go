package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

// TestTwoGateways: when two gateways write one file, the feeds of both return all changes.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	both := []*sqlite.Backend{a, open(t, a.Path())}
	feeds := []backends.Feed{watch(t, both[0], nil), watch(t, both[1], nil)}
	const writers, each = 8, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i%(each/2)) // each document is inserted and updated
				write := insert(id, `{"n":1}`)
				if i >= each/2 {
					write = update(id, `{"n":2}`)
				}
				_, err := backends.WriteOne(context.Background(), both[w%2], tx(write))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	<-done
	end := now(t, a)
	for _, f := range feeds {
		folded := map[protocol.Ref]protocol.Document{}
		for !f.Cursor().Reached(end) {
			fold(folded, next(t, f).Changes)
		}
		require.Len(t, folded, writers*each/2)
		require.Equal(t, table(t, a), folded)
	}
}

// TestOutsideCommitBetweenLocalOnes: a feed that knows two commits of its own process also returns
// the commit of another process between them.
func TestOutsideCommitBetweenLocalOnes(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	b := open(t, a.Path())
	f := watch(t, a, nil)
	write(t, a, tx(insert("1", `{}`)))
	write(t, b, tx(insert("2", `{}`)))
	write(t, a, tx(insert("3", `{}`)))
	folded := map[protocol.Ref]protocol.Document{}
	for end := now(t, a); !f.Cursor().Reached(end); {
		fold(folded, next(t, f).Changes)
	}
	require.Equal(t, table(t, a), folded)
}

// TestConcurrentUpsertsMakeOneDocument: of 16 callers on two gateways, one makes the document and
// the others find it.
func TestConcurrentUpsertsMakeOneDocument(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	both := []*sqlite.Backend{a, open(t, a.Path())}
	for i := range 50 {
		write(t, a, tx(insert(fmt.Sprint("seed", i), fmt.Sprintf(`{"key":"seed%d"}`, i))))
	}
	for round := range 40 {
		f, err := protocol.ParseFilter([]byte(fmt.Sprintf(`{"key":"k%d"}`, round)), false)
		require.NoError(t, err)
		var wg sync.WaitGroup
		var made atomic.Int64
		for g := range 16 {
			wg.Go(func() {
				u := backends.Write{Op: backends.Upsert, Collection: "notes", NewID: protocol.NewID(time.Now()),
					Filter: &f, Data: []byte(fmt.Sprintf(`{"by":%d}`, g))}
				out, err := backends.WriteOne(context.Background(), both[g%2], tx(u))
				if err != nil {
					t.Error(err)
				} else if out.Changes[0].Op == backends.Insert {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), made.Load(), "round %d", round)
	}
	counts, err := a.Collections(context.Background(), scope, nil)
	require.NoError(t, err)
	require.Equal(t, 90, counts["notes"])
}

// TestUpsertSeesOutsideWrites: an upsert finds what sqlite3 has written, with an index or without.
func TestUpsertSeesOutsideWrites(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	upsert := func(filter string) backends.Change {
		f, err := protocol.ParseFilter([]byte(filter), false)
		require.NoError(t, err)
		return write(t, b, tx(backends.Write{Op: backends.Upsert, Collection: "notes",
			NewID: protocol.NewID(time.Now()), Filter: &f, Data: []byte(`{}`)})).Changes[0]
	}
	require.Equal(t, backends.Insert, upsert(`{"key":"a"}`).Op)
	require.Equal(t, backends.Update, upsert(`{"key":"a"}`).Op)
	sqlitetest.CLI(t, b.Path(), `INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		VALUES ('w','app','notes','x','{ "key" : "b" }');`)
	found := upsert(`{"key":"b"}`)
	require.Equal(t, backends.Update, found.Op)
	require.Equal(t, "x", found.Ref.ID)
	sqlitetest.CLI(t, b.Path(), `UPDATE app_data SET data = '{"key":"c"}' WHERE id = 'x';`)
	require.Equal(t, "x", upsert(`{"key":"c"}`).Ref.ID)
	require.Equal(t, backends.Insert, upsert(`{"key":"b"}`).Op)
	sqlitetest.CLI(t, b.Path(), `DELETE FROM app_data WHERE id = 'x';`)
	require.Equal(t, backends.Insert, upsert(`{"key":"c"}`).Op)
	require.Equal(t, backends.Update, upsert(`{}`).Op)
}

// TestUpsertPicksNewest: an upsert picks the newest of a few matches, and of more than an index
// names.
func TestUpsertPicksNewest(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 300} {
		b := fresh(t)
		at := time.Now()
		for i := range n {
			one := tx(insert(fmt.Sprintf("%03d", i), `{"state":"open"}`))
			one.At = at
			write(t, b, one)
		}
		f, err := protocol.ParseFilter([]byte(`{"state":"open"}`), false)
		require.NoError(t, err)
		for range 3 {
			out := write(t, b, tx(backends.Write{Op: backends.Upsert, Collection: "notes", Filter: &f, NewID: "unused",
				Data: []byte(`{"n":1}`)}))
			require.Equal(t, "000", out.Changes[0].Ref.ID)
		}
	}
}

// TestUpsertsAgainstTable: after any writes of gateways and other programs, rolled back or not, an
// upsert finds what a scan of the table finds.
func TestUpsertsAgainstTable(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	both := []*sqlite.Backend{a, open(t, a.Path())}
	r := rand.New(rand.NewPCG(7, 7))
	value := func() string { return fmt.Sprintf(`{"k":%d}`, r.IntN(6)) }
	id := func() string { return fmt.Sprint("d", r.IntN(8)) }
	rounds := 1500
	if testing.Short() {
		rounds = 150
	}
	for round := range rounds {
		b := both[r.IntN(2)]
		switch r.IntN(8) {
		case 0:
			b.Write(context.Background(), []backends.Tx{tx(insert(id(), value()))})
		case 1:
			b.Write(context.Background(), []backends.Tx{tx(update(id(), value())), tx(update(id(), value()))})
		case 2:
			b.Write(context.Background(), []backends.Tx{tx(backends.Write{Op: backends.Delete, Collection: "notes",
				ID: id()})})
		case 3: // it is refused after the index has got the document
			b.Write(context.Background(), []backends.Tx{tx(update(id(), value()), update("none", `{}`))})
		case 4:
			if r.IntN(4) == 0 {
				sqlitetest.CLI(t, a.Path(), fmt.Sprintf(`UPDATE app_data SET data = '%s' WHERE id = '%s';`, value(),
					id()))
			}
		default:
			f, err := protocol.ParseFilter([]byte(value()), false)
			require.NoError(t, err)
			page, err := a.List(context.Background(), scope, backends.Query{Collection: "notes"})
			require.NoError(t, err)
			want := backends.Newest(f, page.Docs)
			u := backends.Write{Op: backends.Upsert, Collection: "notes", NewID: fmt.Sprint("n", round), Filter: &f,
				Data: []byte(`{"by":1}`)}
			require.Equal(t, want, write(t, b, tx(u)).Changes[0].Before, "round %d", round)
		}
	}
}
