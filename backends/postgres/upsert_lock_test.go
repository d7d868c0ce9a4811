package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// TestFilterOfManyLongNames: an index of the server holds rows of 2,704 bytes at most.
func TestFilterOfManyLongNames(t *testing.T) {
	t.Parallel()
	b, _ := fresh(t)
	var members []string
	for i := range protocol.MaxConditions {
		name := fmt.Sprintf("%02d", i)
		for j := range 40 {
			name += fmt.Sprint(i * j * 7919)
		}
		members = append(members, fmt.Sprintf(`"%s":%d`, name, i))
	}
	filter := "{" + strings.Join(members, ",") + "}"
	for _, op := range []backends.Op{backends.Insert, backends.Update} {
		out := write(t, b, tx(find(t, filter, protocol.NewID(time.Now()))))
		require.Equal(t, op, out.Changes[0].Op)
	}
}

// TestSetsOfFieldsStayFew: what clients name in filters does not stay behind.
func TestSetsOfFieldsStayFew(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	stranger := outsider(t, url)
	for i := range 40 {
		write(t, b, tx(find(t, fmt.Sprintf(`{"field%d":1}`, i), protocol.NewID(time.Now()))))
	}
	require.Equal(t, "2", stranger.value("SELECT count(*) FROM app_data_filters"))
	require.NoError(t, b.Clean(t.Context(), time.Now()))
	require.Equal(t, "2", stranger.value("SELECT count(*) FROM app_data_filters"), "they are in use")
	require.NoError(t, b.Clean(t.Context(), time.Now().Add(25*time.Hour)))
	require.Equal(t, "0", stranger.value("SELECT count(*) FROM app_data_filters"))
	write(t, b, tx(find(t, `{"field1":1}`, protocol.NewID(time.Now()))))
	require.Equal(t, "1", stranger.value("SELECT count(*) FROM app_data_filters"))
}

// TestUpsertsWhileSetsAreRemoved: two filters that mean one document make one, although the sets of
// fields are removed all the time.
func TestUpsertsWhileSetsAreRemoved(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	other := open(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	var cleaning sync.WaitGroup
	cleaning.Go(func() {
		stranger := outsider(t, url)
		for ctx.Err() == nil {
			stranger.do("UPDATE app_data_filters SET at = at - interval '2 days'")
			_ = b.Clean(ctx, time.Now()) // the end of the test ends it
		}
	})
	for round := range 100 {
		var writers sync.WaitGroup
		for i, on := range []backends.Backend{b, other, b, other} {
			filter := fmt.Sprintf(`{"a":%d}`, round)
			if i > 1 {
				filter = fmt.Sprintf(`{"a":%d,"n":1}`, round)
			}
			w := find(t, filter, protocol.NewID(time.Now())) // its data is {"n":1}
			writers.Go(func() {
				if _, err := backends.WriteOne(t.Context(), on, tx(w)); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		writers.Wait()
	}
	cancel()
	cleaning.Wait()
	require.Len(t, list(t, b).Docs, 100)
}
