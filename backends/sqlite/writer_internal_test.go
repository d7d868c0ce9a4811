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

// TestJobsJoinOpenTransaction: a job that is queued while a transaction is open shares its commit
// but not its failure. Jobs may join for a bounded time only, after which the first job is
// answered.
func TestJobsJoinOpenTransaction(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		joinTime time.Duration
		fails    error // of the second job
		commits  []int // jobs of each
		marks    int64 // that the jobs leave
	}{
		"shares the commit":        {joinTime: time.Minute, commits: []int{2}, marks: 2},
		"joins for a bounded time": {joinTime: time.Nanosecond, commits: []int{1, 1}, marks: 2},
		"fails alone":              {joinTime: time.Minute, fails: broken, commits: []int{1}, marks: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var commits []int // the writer uses it until the backend is closed
			ctx := context.Background()
			b, err := Open(ctx, Options{
				Path:      filepath.Join(t.TempDir(), "a.db"),
				Committed: func(n, _ int) { commits = append(commits, n) },
			})
			require.NoError(t, err)
			b.writer.joinTime = c.joinTime // the writer reads it when a job comes
			joined := make(chan error, 1)
			second := &job{ctx: ctx, do: func(w *conn) error { return errors.Join(mark(w, 2), c.fails) }}
			second.finished = func() { joined <- second.err }
			var once sync.Once
			require.NoError(t, b.inWriter(ctx, "mark", func(w *conn) error {
				once.Do(func() { require.NoError(t, b.writer.queue.Put(ctx, second)) })
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

// mark inserts a row.
func mark(w *conn, at int64) error {
	_, err := w.exec(context.Background(), "INSERT INTO app_data_marks (at, seq) VALUES (?, -1)", at)
	return err
}
