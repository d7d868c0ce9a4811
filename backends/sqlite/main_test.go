package sqlite_test

import (
	"context"
	"flag"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/protocol"
)

// alone are tests in which one goroutine does one thing after the other. The race detector has nothing to
// find there, and makes SQLite 16 times slower.
const alone = "^Test(Check|CheckChangesNothing|OutsideHistories|RefusedFiles|Stamping|Triggers|Trim|" +
	"UpgradeKeepsMutations|UpsertPicksNewest|UpsertsAgainstTable)$"

func TestMain(m *testing.M) {
	if flag.Parse(); testing.Short() {
		_ = flag.Set("test.skip", alone) // the flag is there
	}
	goleak.VerifyTestMain(m)
}

var (
	scope = protocol.Scope{Workspace: "w", App: "app"}
	robot = backends.Actor{Kind: "agent", ID: "robot"}
)

func open(t testing.TB, path string) *sqlite.Backend {
	t.Helper()
	b, err := sqlite.Open(
		context.Background(),
		sqlite.Options{Path: path, Log: slog.New(slog.DiscardHandler)},
	)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func fresh(t testing.TB) *sqlite.Backend {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "data.db"))
}

func note(id string) protocol.Ref { return protocol.Ref{Scope: scope, Collection: "notes", ID: id} }

func tx(writes ...backends.Write) backends.Tx {
	return backends.Tx{Scope: scope, By: robot, At: time.Now(), Principal: "agent:robot", Writes: writes}
}

func insert(id, data string) backends.Write {
	return backends.Write{Op: backends.Insert, Collection: "notes", ID: id, Data: []byte(data)}
}

func update(id, data string) backends.Write {
	return backends.Write{Op: backends.Update, Collection: "notes", ID: id, Data: []byte(data)}
}

func write(t testing.TB, b *sqlite.Backend, tx backends.Tx) backends.Outcome {
	t.Helper()
	out, err := backends.WriteOne(context.Background(), b, tx)
	require.NoError(t, err)
	return out
}

func get(t testing.TB, b *sqlite.Backend, r protocol.Ref) *protocol.Document {
	t.Helper()
	doc, _, err := b.Get(context.Background(), r, nil)
	require.NoError(t, err)
	return doc
}

func now(t testing.TB, b *sqlite.Backend) backends.Cursor {
	t.Helper()
	page, err := b.List(context.Background(), scope, backends.Query{Collection: "none"})
	require.NoError(t, err)
	return page.Cursor
}

func watch(t testing.TB, b *sqlite.Backend, from backends.Cursor) backends.Feed {
	t.Helper()
	f, err := b.Watch(context.Background(), from)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// next waits for a batch. Its timeout is so long that only a hang exceeds it.
func next(t testing.TB, f backends.Feed) backends.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	batch, err := f.Next(ctx)
	require.NoError(t, err)
	return batch
}
