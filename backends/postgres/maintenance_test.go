package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// TestTrimRacesResumes: while history is removed and a transaction that has written stays open, a
// resume is exact or refused. A cursor from after the floor is never refused: a comparison of the
// oldest transactions alone would make clients list again as long as that transaction is open.
func TestTrimRacesResumes(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	oracle := postgrestest.Record(t, url)
	long := outsider(t, url)
	long.do("BEGIN")
	long.do(put("long", `{}`))
	ctx, cancel := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	defer crowd.Wait()
	defer cancel()
	var forgets atomic.Int64
	var stop atomic.Bool // running writes must finish: one that is cut short may happen later
	// The clients' turns let writers go on: writers that run freely make a history that takes the
	// oracle half a minute to tell.
	turns := make(chan struct{}, 20)
	endTurns := sync.OnceFunc(func() { close(turns) })
	defer endTurns()
	for range 4 {
		crowd.Go(func() {
			for range turns {
				one := tx(upsert(fmt.Sprint("d", rand.IntN(20)), fmt.Sprintf(`{"n":%d}`, rand.IntN(1000))))
				if _, err := backends.WriteOne(ctx, b, one); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	crowd.Go(func() {
		for !stop.Load() && ctx.Err() == nil {
			if err := b.Trim(ctx, time.Now()); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			forgets.Add(1)
		}
	})
	resumed, refused := 0, 0
	for rounds := 0; forgets.Load() < 15 || resumed < 40 || refused < 5; rounds++ {
		require.Less(t, rounds, 5000, "%d forgets, %d resumed, %d refused", forgets.Load(), resumed, refused)
		for range cap(turns) - len(turns) {
			turns <- struct{}{}
		}
		page := list(t, b)
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // the client is disconnected
		batch, err := b.Since(ctx, scope, page.Cursor, 0)
		if errors.Is(err, backends.ErrCursor) {
			refused++
			require.Less(t, refused, 50+10*resumed, "clients list again and again")
			continue
		}
		require.NoError(t, err)
		want := map[string]protocol.Document{}
		maps.Copy(want, oracle(t, scope, batch.Cursor)["notes"])
		require.Equal(t, want, fold(copied(page), batch.Changes))
		resumed++
	}
	stop.Store(true)
	endTurns()
	crowd.Wait()

	require.NoError(t, b.Trim(context.Background(), time.Now()))
	from := list(t, b)
	for i := range 20 {
		write(t, b, tx(insert(fmt.Sprint("new", i), `{}`)))
		require.Len(t, since(t, b, from.Cursor).Changes, i+1)
	}
	long.do("COMMIT")
	require.Equal(t, copied(list(t, b)), fold(copied(from), since(t, b, from.Cursor).Changes))
	require.NotNil(
		t,
		fold(map[string]protocol.Document{}, changesNow(t, b, watch(t, b, from.Cursor)))["long"],
	)
	t.Logf("%d forgets, %d resumed, %d refused", forgets.Load(), resumed, refused)
}
