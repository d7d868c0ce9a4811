package sqlite_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

// TestWithheld: clients do not see documents that the JSON rules refuse. Such documents are
// reported, and do not stop the feed.
func TestWithheld(t *testing.T) {
	t.Parallel()
	var reported atomic.Int64
	b, err := sqlite.Open(context.Background(), sqlite.Options{
		Path:     filepath.Join(t.TempDir(), "data.db"),
		Log:      slog.New(slog.DiscardHandler),
		Withheld: func(protocol.Ref) { reported.Add(1) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	f := watch(t, b, nil)
	start := now(t, b)
	sqlitetest.CLI(t, b.Path(), `INSERT INTO app_data (workspace_id, app_id, collection, id, data) VALUES
		('w','app','notes','good','{"b":1, "a":1.0, "_rev":"x"}'), ('w','app','notes','twice','{"a":1,"a":2}'),
		('w','app','notes','range','{"a":1e400}'), ('w','app','notes',CAST(x'ff' AS TEXT),'{}'),
		('w','app',CAST(x'ff' AS TEXT),'x','{}');`)

	page, err := b.List(context.Background(), scope, backends.Query{Collection: "notes"})
	require.NoError(t, err)
	require.Len(t, page.Docs, 1)
	require.Equal(t, `{"a":1,"b":1}`, string(page.Docs[0].Data))
	paged, err := b.List(context.Background(), scope, backends.Query{Collection: "notes", Limit: 1})
	require.NoError(t, err)
	require.Equal(t, page, paged)

	since, err := b.Since(context.Background(), scope, start, 0)
	require.NoError(t, err)
	for _, batch := range []backends.Batch{next(t, f), since} {
		ops := map[string]backends.Op{}
		for _, c := range batch.Changes {
			ops[c.Ref.ID] = c.Op
			require.Zero(t, c.By)
		}
		require.Equal(t, map[string]backends.Op{"good": backends.Insert, "twice": backends.Delete,
			"range": backends.Delete}, ops)
	}
	require.Nil(t, get(t, b, note("twice")))
	require.Equal(t, int64(3), reported.Load())

	sqlitetest.CLI(t, b.Path(), `UPDATE app_data SET data = '{"a":2}' WHERE id = 'twice';`)
	require.Equal(t, `{"a":2}`, string(next(t, f).Changes[0].Doc.Data))
}

// TestOutsideUpdateOfOwnDocument: after an outside update, the stored fingerprint does not fit the
// data any more.
func TestOutsideUpdateOfOwnDocument(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	made := write(t, b, tx(insert("a", `{"n":1}`))).Changes[0].Doc
	sqlitetest.CLI(t, b.Path(), `UPDATE app_data SET data = '{ "z": 1.50, "a": [ ] }';`)
	doc := get(t, b, note("a"))
	require.Equal(t, `{"a":[],"z":1.5}`, string(doc.Data))
	require.NotEqual(t, made.Rev, doc.Rev)
	require.True(t, doc.Updated.After(made.Updated))
	after := write(t, b, tx(update("a", `{"a":0}`))).Changes[0]
	require.Equal(t, doc, after.Before)
	require.Equal(t, `{"a":0,"z":1.5}`, string(get(t, b, note("a")).Data))
}

// TestDamagedPages: reads of damaged pages fail or return less. They do not end the process, and
// writes of other documents succeed.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data.db")
	b := open(t, path)
	for i := range 500 {
		write(t, b, tx(insert(time.Unix(int64(i), 0).UTC().Format("20060102150405"), body)))
	}
	require.NoError(t, b.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	garbage := make([]byte, 3000)
	for i := range garbage {
		garbage[i] = byte(i * 37)
	}
	for at := info.Size() / 2; at < info.Size(); at += 4096 {
		_, err = f.WriteAt(garbage, at)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())

	damaged, err := sqlite.Open(context.Background(), sqlite.Options{Path: path,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		require.ErrorContains(t, err, "damaged")
		return
	}
	_, listErr := damaged.List(context.Background(), scope, backends.Query{Collection: "notes"})
	_, writeErr := backends.WriteOne(context.Background(), damaged, tx(insert("new", body)))
	t.Log(listErr, writeErr)
	require.NoError(t, damaged.Close())
}

// TestLostScope: a scope that exceeds the bound of a batch is lost. The changes of other scopes are
// complete.
func TestLostScope(t *testing.T) {
	t.Parallel()
	b := fresh(t)
	f := watch(t, b, nil)
	sqlitetest.CLI(t, b.Path(), `BEGIN;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
		INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		SELECT 'w', 'app', 'notes', i, json_object('x', hex(zeroblob(50000))) FROM n;
		INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		VALUES ('w', 'app__draft', 'notes', 'a', '{}');
		COMMIT;`)
	batch := next(t, f)
	require.Equal(t, []protocol.Scope{scope}, batch.Lost)
	require.Len(t, batch.Changes, 1)
	require.True(t, batch.Changes[0].Ref.Scope.Draft)
	_, err := b.Since(context.Background(), scope, watch(t, b, nil).Cursor(), 10)
	require.NoError(t, err)
}
