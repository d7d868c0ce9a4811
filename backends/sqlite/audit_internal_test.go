package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
)

// TestExpiredAuditRowsAreRemoved: in steps, of all workspaces, and nothing else.
func TestExpiredAuditRowsAreRemoved(t *testing.T) {
	t.Parallel()
	b, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	defer b.Close()
	now := time.Now().UTC().Truncate(time.Millisecond)
	put := func(workspace string, n int, at, expires time.Time) {
		id := fmt.Sprintf("%024x", n)
		require.NoError(t, b.Put(t.Context(), backends.Entry{
			Kind: backends.AuditKind, Key: backends.AuditKey(workspace, at, id), Body: []byte(`{}`), At: at, Expires: expires,
		}, false))
	}
	old, past, future := now.Add(-time.Hour), now.Add(-time.Minute), now.Add(time.Hour)
	for n := range 3 {
		put("a", n, old, past)
		put("b", n, old, time.Time{}) // they never expire
	}
	put("a", 3, now, future)
	put("b", 3, now, past)
	put("c", 0, old, past)
	count := func() (n int64) {
		err := b.inWriter(context.Background(), "count", func(c *conn) error {
			_, err := c.one(context.Background(), "SELECT count(*) FROM app_data_ledger", nil, &n)
			return err
		})
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 9, count())
	require.NoError(t, b.clean(t.Context(), now))
	require.EqualValues(t, 4, count())
	require.NoError(t, b.clean(t.Context(), future.Add(time.Second)))
	require.EqualValues(t, 3, count())
}
