package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/history"
	"github.com/secondgate/secondgate/protocol"
)

// recorder notes failures instead of failing.
type recorder struct {
	*testing.T
	mu     sync.Mutex
	failed []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

// batchFeed is a real feed with one bug in its batches.
type batchFeed struct {
	backends.Feed
	fault func(*batchFeed, backends.Batch) backends.Batch
	rest  []backends.Change
	last  backends.Batch
	n     int
}

func (f *batchFeed) Next(ctx context.Context) (backends.Batch, error) {
	if f.rest != nil {
		time.Sleep(10 * time.Millisecond) // or both parts go out as one message, which is no harm
		batch := backends.Batch{Changes: f.rest, Cursor: f.last.Cursor}
		f.rest = nil
		return batch, nil
	}
	batch, err := f.Feed.Next(ctx)
	if err != nil {
		return batch, err
	}
	f.n++
	return f.fault(f, batch), nil
}

type batchBackend struct {
	backends.Backend
	fault func(*batchFeed, backends.Batch) backends.Batch
}

func (b batchBackend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	feed, err := b.Backend.Watch(ctx, from)
	return &batchFeed{Feed: feed, fault: b.fault}, err
}

// TestHistoryCatches shows that the history checker notices what it is there for.
func TestHistoryCatches(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	for _, bug := range []struct {
		name, rules string
		fault       func(*batchFeed, backends.Batch) backends.Batch
	}{
		{"a change skipped", "bookmarks/exact", func(f *batchFeed, b backends.Batch) backends.Batch {
			if f.n%20 == 0 && len(b.Changes) > 0 {
				b.Changes = b.Changes[1:]
			}
			return b
		}},
		{"a torn transaction", "bookmarks/exact bookmarks/whole-transactions", func(
			f *batchFeed, b backends.Batch,
		) backends.Batch {
			if len(b.Changes) > 1 {
				f.last, f.rest = b, b.Changes[1:]
				b.Changes = b.Changes[:1]
			}
			return b
		}},
		{"a cursor one too far", "bookmarks/exact", func(f *batchFeed, b backends.Batch) backends.Batch {
			held := b.Changes
			b.Changes, f.last = f.last.Changes, backends.Batch{Changes: held}
			return b
		}},
		{"the changes of a document out of order", "bookmarks/exact", func(
			f *batchFeed, b backends.Batch,
		) backends.Batch {
			if f.n%10 == 0 {
				b.Changes = append(
					b.Changes[:len(b.Changes):len(b.Changes)], f.last.Changes...,
				) // the states of before come again
			}
			f.last = b
			return b
		}},
	} {
		for kind, h := range map[string]history.History{
			"sockets": {SocketClients: 6}, "streams": {StreamClients: 6},
		} {
			t.Run(bug.name+"/"+kind, func(t *testing.T) { checkCatches(t, h, bug.rules, bug.fault) })
		}
	}
}

// checkCatches wants the clients of a history to notice the fault, by one of the rules about
// bookmarks or ids.
func checkCatches(
	t *testing.T, run history.History, rules string, fault func(*batchFeed, backends.Batch) backends.Batch,
) {
	h := &sqlitetest.Harness{}
	b := h.Open(t)
	run.Oracle = h.Oracle(t, b)
	run.URL = serve(t, batchBackend{b, fault}, beats)
	run.Scope, run.Backend = protocol.Scope{Workspace: "w", App: "a"}, b
	run.Seed, run.Duration, run.Writers = 3, 8*time.Second, 6
	run.Least = history.Counts{Writes: 2000} // on a busy machine it goes on until then
	rule := caught(t, run)
	if run.StreamClients > 0 {
		rules = strings.ReplaceAll(rules, "bookmarks/", "ids/")
	}
	require.Contains(t, strings.Fields(rules), rule)
}

// caught is the rule by which a history notices a bug.
func caught(t *testing.T, run history.History) string {
	r := &recorder{T: t}
	history.Check(r, run)
	require.NotEmpty(t, r.failed, "the bug was not noticed")
	t.Log(r.failed[0])
	return strings.TrimPrefix(strings.SplitN(r.failed[0], ":", 2)[0], "rule ")
}

// TestUpsetHistoryCatches shows that a loss of which clients are not told is noticed.
func TestUpsetHistoryCatches(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	h, b, list := restoredSQLite(t)
	run := historyOver(t, h, b)
	run.URL = serve(t, silentBackend{b}, beats)
	run.Upsets, run.Seed, run.Duration, run.Writers = list, 5, time.Second, 3
	run.SocketClients, run.StreamClients, run.Patience = 6, 3, 10*time.Second
	rules := []string{"bookmarks/exact", "ids/exact", "writes/settled", "upsets/recovery"}
	require.Contains(t, rules, caught(t, run))
}

// silentBackend has feeds that do not tell that everything was lost.
type silentBackend struct{ backends.Backend }

func (b silentBackend) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	feed, err := b.Backend.Watch(ctx, from)
	if errors.Is(err, backends.ErrCursor) {
		feed, err = b.Backend.Watch(ctx, nil)
	}
	return &batchFeed{Feed: feed, fault: func(_ *batchFeed, batch backends.Batch) backends.Batch {
		batch.LostAll = false
		return batch
	}}, err
}

// TestBrowserHistoryCatches shows that a page notices a merged insert that goes out as an insert
// alone.
func TestBrowserHistoryCatches(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	h := &sqlitetest.Harness{}
	b := h.Open(t)
	run := historyOver(t, h, b)
	run.URL = serve(t, unmergedBackend{b}, beats, forgetful)
	run.Seed, run.Duration, run.BrowserClients = 6, 2*time.Second, 6
	run.Least = history.Counts{Missed: 50}
	require.Equal(t, "browser/document", caught(t, run))
}

// unmergedBackend does not say that a change stands for several.
type unmergedBackend struct{ backends.Backend }

func (b unmergedBackend) Since(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) (backends.Batch, error) {
	batch, err := b.Backend.Since(ctx, s, from, max)
	for i := range batch.Changes {
		batch.Changes[i].Merged = false
	}
	return batch, err
}
