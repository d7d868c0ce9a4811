package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// crowded opens a file with many documents of one value, which another program then changes. An
// upsert by the old value must look at all of them to find none.
//
// The race detector makes SQLite 16 times slower, and these tests ask what one goroutine reads.
func crowded(t *testing.T, n int) *Backend {
	t.Helper()
	if testing.Short() {
		t.Skip("the normal pass runs it: one goroutine reads, so there is nothing to race")
	}
	path := filepath.Join(t.TempDir(), "a.db")
	b, err := Open(t.Context(), Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	var writes []backends.Write
	for i := range n {
		writes = append(writes, backends.Write{
			Op: backends.Insert, Collection: "c", ID: fmt.Sprint("d", i), Data: []byte(`{"k":1}`),
		})
	}
	carryOut(t, b, writes...)
	require.Equal(t, backends.Update, carryOut(t, b, byValue(t, `{"k":1}`)).Changes[0].Op)
	other, err := connect(t.Context(), path, false)
	require.NoError(t, err)
	_, err = other.exec(t.Context(), `UPDATE app_data SET data = '{"k":2}'`)
	require.NoError(t, err)
	require.NoError(t, other.close())
	carryOut(t, b, backends.Write{Op: backends.Insert, Collection: "other", ID: "a", Data: []byte(`{}`)})
	return b
}

func byValue(t *testing.T, filter string) backends.Write {
	t.Helper()
	f, err := protocol.ParseFilter([]byte(filter), false)
	require.NoError(t, err)
	return backends.Write{
		Op: backends.Upsert, Collection: "c", NewID: protocol.NewID(time.Now()), Filter: &f, Data: []byte(`{}`),
	}
}

func txOf(writes ...backends.Write) backends.Tx {
	return backends.Tx{
		Scope: protocol.Scope{Workspace: "w", App: "a"}, At: protocol.Millis(time.Now()), Writes: writes,
	}
}

func carryOut(t *testing.T, b *Backend, writes ...backends.Write) backends.Outcome {
	t.Helper()
	out, err := backends.WriteOne(t.Context(), b, txOf(writes...))
	require.NoError(t, err)
	return out
}

// visited is the number of rows that the writer has read so far.
func visited(t *testing.T, b *Backend) (n int) {
	t.Helper()
	require.NoError(t, b.inWriter(t.Context(), "count", func(c *conn) error {
		n = int(c.rows)
		return nil
	}))
	return n
}

// TestWriterReadsFewDocuments: all writes wait for the writer, so a search of a collection is not
// its work. A batch costs one search, however many filters it has.
func TestWriterReadsFewDocuments(t *testing.T) {
	t.Parallel()
	b := crowded(t, 3*maxWalk)
	before := visited(t, b)
	out := carryOut(t, b, byValue(t, `{"k":1}`))
	require.Equal(t, backends.Insert, out.Changes[0].Op)
	require.Less(t, visited(t, b)-before, 2*maxWalk)

	b = crowded(t, 3*maxWalk)
	var writes []backends.Write
	for range 10 {
		writes = append(writes, byValue(t, `{"k":1}`))
	}
	before = visited(t, b)
	out = carryOut(t, b, writes...)
	require.Less(t, visited(t, b)-before, 2*maxWalk)
	for i, c := range out.Changes {
		require.Equal(t, i > 0, c.Op == backends.Update, "each write sees the ones before it")
		require.Equal(t, out.Changes[0].Ref, c.Ref)
	}
}

// TestDeferredJobsKeepTheirOrder: the transactions of one call take effect in their order, although
// the first one must wait for a search.
func TestDeferredJobsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	b := crowded(t, 3*maxWalk)
	outs := b.Write(t.Context(), []backends.Tx{
		txOf(byValue(t, `{"k":1}`)),
		txOf(backends.Write{Op: backends.Insert, Collection: "c", ID: "last", Data: []byte(`{"k":1}`)}),
	})
	require.NoError(t, outs[0].Err)
	require.NoError(t, outs[1].Err)
	require.Equal(t, backends.Insert, outs[0].Changes[0].Op, "the first one saw what the second one has made")
	require.LessOrEqual(t, outs[0].Changes[0].Commit.(int64), outs[1].Changes[0].Commit.(int64))
}

// TestSearchedInTheMeantime: what others commit between the search and the write counts.
func TestSearchedInTheMeantime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then backends.Write
		want string // the document that is meant; "" for a new one
		err  error
	}{
		"nothing": {backends.Write{Op: backends.Insert, Collection: "c", ID: "x", Data: []byte(`{}`)}, "b", nil},
		"a newer match": {
			backends.Write{Op: backends.Insert, Collection: "c", ID: "x", Data: []byte(`{"k":1}`)}, "x", nil,
		},
		"the match changed": {
			backends.Write{Op: backends.Update, Collection: "c", ID: "b", Data: []byte(`{"n":1}`)}, "b", nil,
		},
		"the match gone": {backends.Write{Op: backends.Delete, Collection: "c", ID: "b"}, "",
			driverkit.ErrSearchFirst},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "a.db")})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			for _, id := range []string{"a", "b"} {
				carryOut(t, b, backends.Write{Op: backends.Insert, Collection: "c", ID: id, Data: []byte(`{"k":1}`)})
			}
			tx := txOf(byValue(t, `{"k":1}`))
			tx.At = tx.At.Add(time.Second)
			j := &job{ctx: t.Context(), tx: &tx, call: &call{}}
			require.NoError(t, b.searchFor(t.Context(), j))
			later := txOf(c.then)
			later.At = later.At.Add(time.Second)
			_, err = backends.WriteOne(t.Context(), b, later)
			require.NoError(t, err)
			require.NoError(t, b.carryOut(t.Context(), []*job{j}))
			require.ErrorIs(t, j.err, c.err)
			if c.err == nil {
				require.Equal(t, c.want, j.out.Changes[0].Ref.ID)
			}
		})
	}
}

// TestSearchLooksAtItsContext: a caller that has gone ends the search.
func TestSearchLooksAtItsContext(t *testing.T) {
	t.Parallel()
	b := crowded(t, 2*maxWalk)
	ctx, cancel := context.WithCancel(t.Context())
	tx := txOf(byValue(t, `{"k":1}`))
	j := &job{ctx: ctx, tx: &tx, call: &call{}}
	cancel()
	require.ErrorIs(t, b.searchFor(ctx, j), context.Canceled)
}
