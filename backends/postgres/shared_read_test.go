package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// TestFleetSharesReads: many clients that reconnect at once share reads of the server.
func TestFleetSharesReads(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, "log_statement = 'all'")
	b := open(t, server.URL())
	write(t, b, tx(insert("a", `{}`)))
	_, at, err := b.Get(t.Context(), note("a"), nil)
	require.NoError(t, err)
	raw := at.Append(nil)
	reads := func() int {
		log, err := os.ReadFile(filepath.Join(server.Dir, "log"))
		require.NoError(t, err)
		return strings.Count(string(log), "floor::text FROM")
	}
	before := reads()
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			_, err := b.Cursor(t.Context(), raw)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	asked := reads() - before
	require.Positive(t, asked)
	require.Less(t, asked, 100, "reads of the head for 500 cursors")
}
