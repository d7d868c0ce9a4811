package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// TestCommitsAreAnnounced: without polling, another gateway's feed returns every commit because of
// its announcement. The feed of the same process reads the log once per commit: it ignores the
// announcement.
func TestCommitsAreAnnounced(t *testing.T) {
	t.Parallel()
	url := postgrestest.Schema(t)
	gateway := func() (*postgres.Backend, backends.Feed) {
		log := &testLog{}
		b := openWith(t, postgres.Options{URL: url, Poll: time.Hour, Log: log.logger()})
		require.Eventually(t, func() bool { return log.has("notifications of PostgreSQL are heard") },
			30*time.Second, 10*time.Millisecond)
		return b, watch(t, b, nil)
	}
	writer, own := gateway()
	_, others := gateway()
	settle(t, own) // it was poked when notifications began to arrive
	for i := range 20 {
		write(t, writer, tx(insert(fmt.Sprint(i), `{}`)))
		require.Len(t, next(t, own).Changes, 1)
		marked := own.Cursor()
		for changes := 0; changes == 0; {
			changes = len(next(t, others).Changes)
		}
		settle(t, own)
		require.Equal(t, marked, own.Cursor(), "it has looked again")
	}
}

// settle makes a feed read the log if it was poked.
func settle(t *testing.T, f backends.Feed) {
	t.Helper()
	for err := error(nil); err == nil; {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, err = f.Next(ctx)
		cancel()
	}
}
