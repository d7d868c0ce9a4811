package store_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// heldGone holds the first question about what is gone until release is closed, and counts them.
type heldGone struct {
	backends.Backend
	asked   atomic.Int64
	release chan struct{}
}

func (b *heldGone) Gone(
	ctx context.Context, s protocol.Scope, from backends.Cursor, max int,
) ([]protocol.Ref, backends.Cursor, error) {
	if b.asked.Add(1) == 1 {
		<-b.release
	}
	return b.Backend.Gone(ctx, s, from, max)
}

type sleeper struct{}

func (sleeper) Wake()     {}
func (sleeper) ServeNow() {}

// TestWhatIsGoneIsReadOnceForAllThatWait: of many streams that begin anew at once, the database is asked
// for the first one, and once more for all that came meanwhile. A document that was deleted before a stream
// asked is among what it is told.
func TestWhatIsGoneIsReadOnceForAllThatWait(t *testing.T) {
	t.Parallel()
	file, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	scope := protocol.Scope{Workspace: "w", App: "a"}
	b := &heldGone{Backend: file, release: make(chan struct{})}
	st := storeOver(t, b)
	deleted := func(id string) {
		for _, op := range []backends.Op{backends.Insert, backends.Delete} {
			w := backends.Write{Op: op, Collection: "c", ID: id}
			if op == backends.Insert {
				w.Data = []byte(`{}`)
			}
			_, err := backends.WriteOne(t.Context(), file, backends.Tx{
				Scope: scope, At: protocol.Millis(time.Now()), Writes: []backends.Write{w},
			})
			require.NoError(t, err)
		}
	}
	var asking sync.WaitGroup
	ask := func(want ...string) {
		sub, refused := st.Follow(t.Context(), access.Principal{}, scope, sleeper{}, store.Follow{All: true})
		require.Nil(t, refused)
		t.Cleanup(sub.Close)
		asking.Go(func() {
			refs, _, err := st.Gone(t.Context(), access.Principal{}, sub, nil)
			if err != nil {
				t.Errorf("gone: %v", err)
			}
			var ids []string
			for _, r := range refs {
				ids = append(ids, r.ID)
			}
			for _, id := range want {
				if !slices.Contains(ids, id) {
					t.Errorf("%v lacks %s", ids, id)
				}
			}
		})
	}
	deleted("early")
	ask("early")
	require.Eventually(t, func() bool { return b.asked.Load() == 1 }, time.Minute, time.Millisecond)
	deleted("late")
	const more = 20
	for range more {
		ask("early", "late")
	}
	require.Eventually(
		t,
		func() bool { return st.AskingForGone(scope) == 1+more },
		time.Minute,
		time.Millisecond,
	)
	close(b.release)
	asking.Wait()
	require.EqualValues(t, 2, b.asked.Load())
	require.Zero(t, st.AskingForGone(scope), "the answer is kept for nobody")
}
