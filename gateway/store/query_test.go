package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// betweenPages has something happen after the first page of a list was read.
type betweenPages struct {
	backends.Backend
	act func()
}

func (b *betweenPages) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	page, err := b.Backend.List(ctx, s, q)
	if q.After == "" && b.act != nil {
		act := b.act
		b.act = nil
		act()
	}
	return page, err
}

// storeOver is a store, for the length of a test.
func storeOver(t *testing.T, b backends.Backend) *store.Store {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	h, err := hub.New(t.Context(), b, 1<<20, log, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return store.New(b, h, store.Options{Mode: access.None{}, Limits: protocol.DefaultLimits, Log: log})
}

// TestQueryRepairsWhatChangedBetweenPages: a document that was on the first page loses what the query looks
// for to one that is on a later page, one that was on none gets it, and one is deleted. The answer is as of
// one snapshot.
func TestQueryRepairsWhatChangedBetweenPages(t *testing.T) {
	t.Parallel()
	file, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	scope := protocol.Scope{Workspace: "w", App: "a"}
	write := func(op backends.Op, id, data string) {
		_, err := backends.WriteOne(context.Background(), file, backends.Tx{
			Scope: scope, At: protocol.Millis(time.Now()),
			Writes: []backends.Write{{Op: op, Collection: "c", ID: id, Data: []byte(data)}},
		})
		require.NoError(t, err)
	}
	const docs = 40 // of 64 KiB: three pages, the newest first
	for i := range docs {
		has := i == docs-1 || i == docs-2
		write(backends.Insert, fmt.Sprint("d", i), fmt.Sprintf(`{"filler":%q,"has":%v}`, strings.Repeat("x", 64<<10), has))
	}
	b := &betweenPages{Backend: file, act: func() {
		write(backends.Update, fmt.Sprint("d", docs-1), `{"has":false}`)
		write(backends.Delete, fmt.Sprint("d", docs-2), "")
		write(backends.Update, "d0", `{"has":true}`)
		write(backends.Insert, "new", `{"has":true}`)
	}}
	a, at := storeOver(t, b).Query(t.Context(), access.Principal{}, scope, &protocol.Request{
		Type: protocol.TypeQuery, Collection: "c", Where: []byte(`{"has":true}`), Order: []string{"_id"},
		Fields: []string{"has"}, Count: true,
	}, store.Read{})
	require.Nil(t, a.Err)
	require.NotNil(t, at)
	var ids []string
	for _, d := range a.Docs {
		ids = append(ids, d.ID)
	}
	require.Equal(t, []string{"d0", "new"}, ids)
	require.Equal(t, 2, a.Count)
}
