package postgres_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	scope = protocol.Scope{Workspace: "w", App: "app"}
	robot = backends.Actor{Kind: "agent", ID: "robot"}
)

// open opens the backend of a gateway's URL.
func open(t testing.TB, url string) *postgres.Backend {
	t.Helper()
	return openWith(t, postgres.Options{URL: url})
}

func openWith(t testing.TB, options postgres.Options) *postgres.Backend {
	t.Helper()
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	b, err := postgres.Open(context.Background(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// fresh opens an empty schema of the shared server.
func fresh(t testing.TB) (b *postgres.Backend, url string) {
	t.Helper()
	url = postgrestest.Schema(t.(*testing.T))
	return open(t, url), url
}

func note(id string) protocol.Ref { return protocol.Ref{Scope: scope, Collection: "notes", ID: id} }

func tx(writes ...backends.Write) backends.Tx {
	return backends.Tx{Scope: scope, By: robot, At: time.Now(), Principal: "agent:robot", Writes: writes}
}

func insert(id, data string) backends.Write {
	return backends.Write{Op: backends.Insert, Collection: "notes", ID: id, Data: []byte(data)}
}

func write(t testing.TB, b *postgres.Backend, tx backends.Tx) backends.Outcome {
	t.Helper()
	out, err := backends.WriteOne(context.Background(), b, tx)
	require.NoError(t, err)
	return out
}

func get(t testing.TB, b *postgres.Backend, r protocol.Ref) *protocol.Document {
	t.Helper()
	doc, _, err := b.Get(context.Background(), r, nil)
	require.NoError(t, err)
	return doc
}

// list lists the collection that all these tests use.
func list(t testing.TB, b *postgres.Backend) backends.Page {
	t.Helper()
	page, err := b.List(context.Background(), scope, backends.Query{Collection: "notes"})
	require.NoError(t, err)
	return page
}

func now(t testing.TB, b *postgres.Backend) backends.Cursor {
	t.Helper()
	_, at, err := b.Get(context.Background(), note("none"), nil)
	require.NoError(t, err)
	return at
}

func since(t testing.TB, b *postgres.Backend, from backends.Cursor) backends.Batch {
	t.Helper()
	batch, err := b.Since(context.Background(), scope, from, 0)
	require.NoError(t, err)
	return batch
}

func watch(t testing.TB, b *postgres.Backend, from backends.Cursor) backends.Feed {
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

// changesNow reads a feed up to now, and returns its changes. They include everything that has been
// committed.
func changesNow(t testing.TB, b *postgres.Backend, f backends.Feed) []backends.Change {
	t.Helper()
	return until(t, f, now(t, b))
}

// until reads a feed up to a cursor and returns its changes.
func until(t testing.TB, f backends.Feed, end backends.Cursor) (changes []backends.Change) {
	t.Helper()
	for !f.Cursor().Reached(end) {
		batch := next(t, f)
		require.False(t, batch.LostAll || len(batch.Lost) > 0, "the feed lost something")
		changes = append(changes, batch.Changes...)
	}
	return changes
}

// fold applies changes to a copy.
func fold(into map[string]protocol.Document, changes []backends.Change) map[string]protocol.Document {
	for _, c := range changes {
		if c.Doc == nil {
			delete(into, c.Ref.ID)
		} else {
			into[c.Ref.ID] = *c.Doc
		}
	}
	return into
}

// copied is a page by id.
func copied(page backends.Page) map[string]protocol.Document {
	docs := map[string]protocol.Document{}
	for _, d := range page.Docs {
		docs[d.ID] = d
	}
	return docs
}
