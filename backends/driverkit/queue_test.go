package driverkit_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// job counts how often it was finished.
type job struct {
	ctx      context.Context
	number   int
	bytes    int
	err      error
	answers  atomic.Int32
	finished chan struct{}
}

func newJob(ctx context.Context, number int) *job {
	return &job{ctx: ctx, number: number, bytes: 1, finished: make(chan struct{})}
}

func (j *job) Caller() context.Context { return j.ctx }
func (j *job) Size() (jobs, bytes int) { return 1, j.bytes }

func (j *job) Finish(err error) {
	if j.err = err; j.answers.Add(1) == 1 {
		close(j.finished)
	}
}

func run(q *driverkit.Queue[*job], j *job) error {
	if err := q.Put(j.ctx, j); err != nil {
		return err
	}
	if err := q.Wait(j.ctx, j.finished); err != nil {
		return err
	}
	return j.err
}

// TestGroupsKeepOrderAndLimits: groups hold all jobs that wait, in their order, up to both limits.
func TestGroupsKeepOrderAndLimits(t *testing.T) {
	life, q := driverkit.NewLifetime(), driverkit.NewQueue[*job](10, 3, 10)
	for i := range 8 {
		j := newJob(t.Context(), i)
		if i == 4 {
			j.bytes = 10 // it reaches the limit of its group
		}
		require.NoError(t, q.Put(t.Context(), j))
	}
	require.Equal(t, 8, q.Waiting())
	var groups [][]int
	var last sync.WaitGroup
	last.Add(8)
	q.Start(life, 1, func(g *driverkit.Group[*job]) {
		q.Fill(g)
		var numbers []int
		for _, j := range g.Jobs {
			numbers = append(numbers, j.number)
			j.Finish(nil)
		}
		groups = append(groups, numbers)
		last.Add(-g.Len())
	})
	last.Wait()
	life.Close()
	require.Equal(t, [][]int{{0, 1, 2}, {3, 4}, {5, 6, 7}}, groups)
	require.Zero(t, q.Waiting())
}

// TestJobOfCanceledCallerIsDropped: a group leaves out a job whose caller has gone, and answers it.
func TestJobOfCanceledCallerIsDropped(t *testing.T) {
	life, q := driverkit.NewLifetime(), driverkit.NewQueue[*job](1, 3, 10)
	defer life.Close()
	ctx, cancel := context.WithCancel(t.Context())
	j := newJob(ctx, 0)
	require.NoError(t, q.Put(ctx, j))
	cancel()
	q.Start(life, 1, func(g *driverkit.Group[*job]) {
		for _, j := range g.Jobs {
			j.Finish(errors.New("it was carried out"))
		}
	})
	<-j.finished
	require.ErrorIs(t, j.err, context.Canceled)
}

// TestCloseAnswersEveryJob: while callers of several workers put jobs, Close ends. Every job is
// finished once at most, and every caller is answered: with the job's outcome or with ErrClosed.
func TestCloseAnswersEveryJob(t *testing.T) {
	for range 200 {
		life, q := driverkit.NewLifetime(), driverkit.NewQueue[*job](2, 3, 10)
		q.Start(life, 2, func(g *driverkit.Group[*job]) {
			q.Fill(g)
			for _, j := range g.Jobs {
				j.Finish(nil)
			}
		})
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				for {
					j := newJob(t.Context(), i)
					err := run(q, j)
					assert.LessOrEqual(t, j.answers.Load(), int32(1))
					if err != nil {
						assert.ErrorIs(t, err, driverkit.ErrClosed)
						return
					}
				}
			})
		}
		life.Close()
		callers.Wait()
	}
}

// TestCloseEndsCalls: Close ends the context of a call and waits for the call. Later calls are
// refused.
func TestCloseEndsCalls(t *testing.T) {
	life := driverkit.NewLifetime()
	inner, leave, err := life.EnterContext(t.Context())
	require.NoError(t, err)
	var left atomic.Bool
	go func() {
		<-inner.Done()
		left.Store(true)
		leave()
	}()
	life.Close()
	require.True(t, left.Load())
	require.ErrorIs(t, life.Enter(t.Context()), driverkit.ErrClosed)
	require.ErrorIs(t, life.Explain(t.Context(), inner.Err()), driverkit.ErrClosed)
}
