package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestJoining: who comes while a transaction is carried out shares its commit, but not its failure; and for a bounded time
// only, so that who came first is answered.
func TestJoining(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		joining time.Duration
		fails   error // the second
		commits []int // jobs of each
		marks   int64 // that are left
	}{
		"its commit":             {joining: time.Minute, commits: []int{2}, marks: 2},
		"not for ever":           {joining: time.Nanosecond, commits: []int{1, 1}, marks: 2},
		"nobody else's failures": {joining: time.Minute, fails: broken, commits: []int{1}, marks: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var commits []int // the writer's, until the backend is closed
			ctx := context.Background()
			b, err := Open(ctx, Options{Path: filepath.Join(t.TempDir(), "a.db"), Committed: func(n, _ int) { commits = append(commits, n) }})
			require.NoError(t, err)
			b.writer.joining = c.joining // its goroutine looks when a job comes
			joined := make(chan error, 1)
			second := &job{ctx: ctx, do: func(w *conn) error { return errors.Join(mark(w, 2), c.fails) }}
			second.finished = func() { joined <- second.err }
			var once sync.Once
			require.NoError(t, b.inWriter(ctx, "mark", func(w *conn) error {
				once.Do(func() { b.writer.jobs <- second })
				return mark(w, 1)
			}))
			require.ErrorIs(t, <-joined, c.fails)
			var marks int64
			require.NoError(t, b.read(ctx, "count", func(ctx context.Context, r *conn) error {
				_, err := r.one(ctx, "SELECT count(*) FROM app_data_marks WHERE seq = -1", nil, &marks)
				return err
			}))
			require.Equal(t, c.marks, marks)
			require.NoError(t, b.Close())
			require.Equal(t, c.commits, commits)
		})
	}
}

// mark leaves a row.
func mark(w *conn, at int64) error {
	_, err := w.exec(context.Background(), "INSERT INTO app_data_marks (at, seq) VALUES (?, -1)", at)
	return err
}
