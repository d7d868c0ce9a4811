package hub

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// TestCatchUpAheadOfTheFeed: a catch-up may read what the feed has not delivered yet. What the feed
// then delivers of it is older than what the client has, and is not handed out: a bookmark behind it
// would be wrong.
func TestCatchUpAheadOfTheFeed(t *testing.T) {
	s := protocol.Scope{Workspace: "w", App: "a"}
	h := &Hub{
		cursor: count(1), budget: 64 << 20, log: slog.Default(),
		scopes: map[protocol.Scope]*scopeLog{}, waiting: map[*Subscription]struct{}{},
	}
	h.recent.list = []timedCursor{{cursor: h.cursor}}
	changed := func(commit int) backends.Change {
		return backends.Change{
			Ref: protocol.Ref{Scope: s, Collection: "c", ID: "d"}, Op: backends.Update, Commit: commit,
			Doc: &protocol.Document{ID: "d", Data: fmt.Appendf(nil, `{"n":%d}`, commit)},
		}
	}
	sub := h.Follow(s, count(0), true, polling{}, nil)
	_, behind := sub.Behind()
	require.True(t, behind, "the log begins at 1")
	c := sub.BeginCatchUp()
	c.Found(backends.Batch{Changes: []backends.Change{changed(3)}, Cursor: count(3)})
	sub.CaughtUp(c)
	takes := func(want backends.Cursor, commits ...int) {
		t.Helper()
		var d Delivery
		if p := sub.TakePrepared(Frame); p != nil {
			d = Delivery{Boundary: true, Cursor: p.Cursor}
			require.Equal(t, len(commits), p.Changes)
		} else {
			d = sub.Take(FrameBytes)
			var got []int
			for _, one := range d.Changes {
				got = append(got, one.Commit.(int))
			}
			require.Equal(t, commits, got)
		}
		require.True(t, d.Boundary)
		require.Equal(t, want, d.Cursor)
	}
	takes(count(3), 3)
	for commit := 2; commit <= 3; commit++ { // what the catch-up had read
		h.deliver(backends.Batch{Changes: []backends.Change{changed(commit)}, Cursor: count(commit)})
		takes(count(3))
	}
	for commit := 4; commit <= 5; commit++ {
		h.deliver(backends.Batch{Changes: []backends.Change{changed(commit)}, Cursor: count(commit)})
		takes(count(commit), commit)
	}
	require.Nil(t, sub.interest.floor, "a level subscription filters nothing")
}
