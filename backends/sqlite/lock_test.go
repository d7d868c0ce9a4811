package sqlite_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

// TestOutsidersAreNotStarved: while the gateway writes without a pause, 30 of 30 inserts by sqlite3
// succeed within its busy timeout of 5 s.
func TestOutsidersAreNotStarved(t *testing.T) {
	b := fresh(t) // it is not parallel: it needs the whole machine
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for ctx.Err() == nil {
				write := tx(insert(protocol.NewID(time.Now()), body))
				if _, err := backends.WriteOne(context.Background(), b, write); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer wg.Wait()
	defer stop()
	var longest time.Duration
	for i := range 30 {
		start := time.Now()
		out, err := sqlitetest.TryCLI(b.Path(),
			fmt.Sprintf(`INSERT INTO app_data (workspace_id, app_id, collection, id, data)
			VALUES ('w','app','outside','%d','{}');`, i))
		require.NoError(t, err, "insert %d: %s", i, strings.TrimSpace(out))
		longest = max(longest, time.Since(start))
	}
	t.Logf("the longest of 30 took %v", longest)
}

// TestLockedForLong: if another program keeps the lock beyond the busy timeout, writes fail with
// unavailable. A caller whose context ends before gets its context's error at once.
func TestLockedForLong(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	release := sqlitetest.Hold(t, b.Path())
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := backends.WriteOne(ctx, b, tx(insert("hasty", `{}`)))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = backends.WriteOne(context.Background(), b, tx(insert("patient", `{}`)))
	require.Equal(t, protocol.CodeUnavailable, protocol.CodeOf(err))
	require.ErrorContains(t, err, "locked")
	require.Nil(t, get(t, b, note("patient")))
	release()
	write(t, b, tx(insert("patient", `{}`)))
}
