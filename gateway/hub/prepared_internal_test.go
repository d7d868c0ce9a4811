package hub

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// count is a cursor: so many batches have been seen.
type count int

func (c count) Reached(other backends.Cursor) bool { return c >= other.(count) }
func (c count) Covers(b backends.Change) bool      { return int(c) >= b.Commit.(int) }
func (c count) Append(dst []byte) []byte           { return fmt.Append(dst, int(c)) }

// polling is a follower that looks by itself.
type polling struct{}

func (polling) Wake()     {}
func (polling) ServeNow() {}

// TestPreparedMessagesEqualTheLog: a follower that takes prepared messages and its own by turns,
// wherever it begins, has at each bookmark exactly the changes that the cursor covers.
func TestPreparedMessagesEqualTheLog(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := protocol.Scope{Workspace: "w", App: "a"}
	h := &Hub{
		cursor: count(0), budget: 64 << 20, log: slog.Default(),
		scopes: map[protocol.Scope]*scopeLog{}, waiting: map[*Subscription]struct{}{},
	}
	h.recent.list = []timedCursor{{cursor: h.cursor}}
	var followers []*taker
	prepared, cut := 0, 0
	written := 0
	for batch := 1; batch < 3000; batch++ {
		b := backends.Batch{Cursor: count(batch)}
		for range random.IntN(4) {
			written++
			size := 1 << random.IntN(15)
			b.Changes = append(b.Changes, backends.Change{
				Ref: protocol.Ref{Scope: s, Collection: "c", ID: fmt.Sprint(written)}, Op: backends.Insert,
				Commit: batch, Doc: &protocol.Document{
					ID: fmt.Sprint(written), Data: []byte(`{"x":"` + strings.Repeat("x", size) + `"}`),
				},
			})
		}
		h.deliver(b)
		if len(followers) < 20 && random.IntN(20) == 0 {
			followers = append(followers, &taker{sub: h.Follow(s, nil, true, polling{}, nil), first: written})
		}
		for _, f := range followers {
			if random.IntN(6) > 0 {
				continue
			}
			if p := f.takePrepared(random); p != nil {
				prepared++
				if p.Cursor != h.cursor {
					cut++
				}
				require.Equal(t, p.Changes, strings.Count(string(p.Bytes), `"second:data:change"`))
				f.took(t, p.Changes, p.Cursor, written)
			} else if d := f.sub.Take(FrameBytes); d.Boundary {
				f.took(t, len(d.Changes), d.Cursor, written)
			} else {
				f.taken += len(d.Changes)
			}
		}
	}
	t.Logf("%d prepared messages, %d of them not up to the end", prepared, cut)
	require.Greater(t, prepared, 500)
	require.Greater(t, cut, 20)
}

// taker is a follower and how many changes it has taken.
type taker struct {
	sub          *Subscription
	first, taken int
}

// takePrepared leaves it to Take now and then, as a session does that has something of its own.
func (f *taker) takePrepared(random *rand.Rand) *Prepared {
	if random.IntN(4) == 0 {
		return nil
	}
	return f.sub.TakePrepared(Frame)
}

// took requires a bookmark to be exact. Ids are numbers in commit order, so a cursor covers as many
// as have a commit up to it.
func (f *taker) took(t *testing.T, changes int, c backends.Cursor, written int) {
	t.Helper()
	f.taken += changes
	log := f.sub.log
	for i := len(log.entries) - 1; i >= 0 && !c.Reached(log.entries[i].cursor); i-- {
		written -= len(log.entries[i].changes)
	}
	require.Equal(t, written-f.first, f.taken)
}

// TestCompressedOnce: all who take a form compressed get the same bytes, which hold the form's text.
func TestCompressedOnce(t *testing.T) {
	s := protocol.Scope{Workspace: "w", App: "a"}
	h := &Hub{
		cursor: count(0), budget: 64 << 20, log: slog.Default(),
		scopes: map[protocol.Scope]*scopeLog{}, waiting: map[*Subscription]struct{}{},
	}
	h.recent.list = []timedCursor{{cursor: h.cursor}}
	var followers []*Subscription
	for range 3 {
		followers = append(followers, h.Follow(s, nil, true, polling{}, nil))
	}
	h.deliver(backends.Batch{Cursor: count(1), Changes: []backends.Change{{
		Ref: protocol.Ref{Scope: s, Collection: "c", ID: "d"}, Op: backends.Insert, Commit: 1,
		Doc: &protocol.Document{ID: "d", Data: []byte(`{"x":"` + strings.Repeat("x", 1000) + `"}`)},
	}}})
	first := followers[0].TakePrepared(Frame + Compressed)
	require.Same(t, first, followers[1].TakePrepared(Frame+Compressed))
	plain := followers[2].TakePrepared(Frame)
	require.Equal(t, socket.Compress(plain.Bytes), first.Bytes)
	require.Less(t, len(first.Bytes), len(plain.Bytes)/2)
}
