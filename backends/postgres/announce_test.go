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

// TestAnnouncements: with polling as good as off, every commit is told by another gateway's feed
// because it was announced, and the feed of its own process looks for it once: the announcement, a
// transaction itself, would have it look again.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	url := postgrestest.Schema(t)
	gateway := func() (*postgres.Backend, backends.Feed) {
		log := &logged{}
		b := openWith(t, postgres.Options{URL: url, Poll: time.Hour, Log: log.logger()})
		require.Eventually(t, func() bool { return log.has("notifications of PostgreSQL are heard") }, 30*time.Second, 10*time.Millisecond)
		return b, watch(t, b, nil)
	}
	writer, own := gateway()
	_, others := gateway()
	settle(t, own) // it was poked when notifications were heard
	for i := range 20 {
		write(t, writer, tx(insert(fmt.Sprint(i), `{}`)))
		require.Len(t, next(t, own).Changes, 1)
		marked := own.Cursor()
		for told := 0; told == 0; {
			told = len(next(t, others).Changes)
		}
		settle(t, own)
		require.Equal(t, marked, own.Cursor(), "it has looked again")
	}
}

// settle has a feed look if it was poked.
func settle(t *testing.T, f backends.Feed) {
	t.Helper()
	for err := error(nil); err == nil; {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, err = f.Next(ctx)
		cancel()
	}
}
