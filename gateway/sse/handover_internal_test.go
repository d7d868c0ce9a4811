package sse

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// second is a cursor: the state at so many seconds.
type second int

func (c second) Covers(backends.Change) bool { return false }
func (c second) Reached(other backends.Cursor) bool {
	o, ok := other.(second)
	return ok && c >= o
}

func (c second) Append(b []byte) []byte { return b }

// elsewhere is a cursor of another database.
type elsewhere struct{ second }

func (elsewhere) Reached(backends.Cursor) bool { return false }

// TestHandover: a stream takes over from one that had not told its last seconds, however long that
// one lasted and how many came between. Nothing is remembered for longer than a client may take. No
// stream takes over across a loss of everything.
func TestHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h := &handovers{begun: map[protocol.Scope]*handover{}}
		lost := false
		h.tenSecondsAgo = func() (backends.Cursor, bool) { return second(time.Since(begun) / time.Second), !lost }
		recent := func(s protocol.Scope) backends.Cursor {
			from, known := h.recent(s)
			require.True(t, known)
			return from
		}
		scope, other := protocol.Scope{Workspace: "w", App: "a"}, protocol.Scope{Workspace: "w", App: "b"}

		first := recent(scope)
		time.Sleep(40 * time.Second) // on the bubble's clock, as below
		h.end(scope, first)
		h.end(scope, second(30)) // another tab's, which began later
		time.Sleep(9 * time.Second)
		require.Equal(t, first, recent(scope))
		require.Equal(t, second(49), recent(other))

		h.end(scope, first) // the second one, before it told anything
		time.Sleep(9 * time.Second)
		require.Equal(t, first, recent(scope))
		time.Sleep(time.Second + 1)
		require.Equal(t, second(59), recent(scope), "nobody took over in time")
		require.Empty(t, h.begun)

		h.end(scope, elsewhere{})
		_, known := h.recent(scope)
		require.False(t, known, "it began in a database that was replaced since")
		lost = true
		_, known = h.recent(other)
		require.False(t, known)
	})
}
