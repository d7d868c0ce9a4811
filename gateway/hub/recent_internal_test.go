package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
)

// step is a cursor that nobody compares.
type step struct {
	backends.Cursor
	n int
}

// TestRecentCursorsKnowALoss: for ten seconds after everything was lost, nobody can tell what has
// changed in the last ten seconds.
func TestRecentCursorsKnowALoss(t *testing.T) {
	begun := time.Now()
	at := func(seconds float64) time.Time { return begun.Add(time.Duration(seconds * float64(time.Second))) }
	var r recentCursors
	r.note(at(0), step{n: 0}, false)
	r.note(at(1), step{n: 1}, false)
	r.note(at(5), step{n: 2}, false)
	r.note(at(5.1), step{n: 3}, true)
	r.note(at(8), step{n: 4}, false) // takes the place of the one before
	r.note(at(9), step{n: 5}, false)
	for _, want := range []struct {
		at    float64
		n     int
		known bool
	}{{-1, 0, false}, {0.5, 0, false}, {5, 2, false}, {7, 2, false}, {8, 4, true}, {9, 5, true}} {
		c, known := r.before(at(want.at))
		require.Equal(t, want.n, c.(step).n, "at %v s", want.at)
		require.Equal(t, want.known, known, "at %v s", want.at)
	}
}
