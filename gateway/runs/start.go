package runs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// errRefused is told to whoever started a run that no worker took.
var errRefused = protocol.Errorf(protocol.CodeFailedToStart,
	"the worker did not take the run, which has failed: look at the worker, then start another run")

// Start starts a run that was created. With a driver it is claimed and handed over, else it waits
// for a worker. started is false if somebody has started it before.
func (r *Runs) Start(
	ctx context.Context, p access.Principal, run Run,
) (started bool, refused *protocol.Error) {
	agent, refused := r.Agent(ctx, run.Scope, run.AgentID)
	if refused != nil {
		return false, refused
	}
	for {
		if run.Status != Pending || run.StartedAt != "" {
			return false, nil
		}
		refused = r.markStarted(ctx, p, &run)
		if !isConflict(refused) {
			break
		}
		if run, refused = r.Find(ctx, run.Scope, run.ID); refused != nil {
			return false, refused
		}
	}
	if refused != nil || r.Driver == nil {
		return refused == nil, refused
	}
	return true, r.handOver(ctx, run, agent)
}

func (r *Runs) markStarted(ctx context.Context, p access.Principal, run *Run) *protocol.Error {
	now := r.now()
	until := now.Add(r.TimeLimit)
	fields := map[string]any{"startedAt": timestamp(now), "deadline": timestamp(until)}
	if r.Driver == nil {
		return r.update(ctx, run, fields, func([]backends.Change) []backends.Entry {
			return []backends.Entry{queued(run.ID, run.Scope.Workspace, now, until)}
		})
	}
	fields["status"] = Streaming
	return r.update(ctx, run, fields, r.Trail.Beside(r.row(run, "started", starter(p, run.Scope))))
}

// handOver gives a claimed run to the worker. If that does not take it the run has failed.
func (r *Runs) handOver(ctx context.Context, run Run, agent json.RawMessage) *protocol.Error {
	asked, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err := r.Driver.Start(asked, run, agent)
	if err == nil {
		return nil
	}
	r.Log.Error("a worker did not take a run", "run", run.ID, "workspace", run.Scope.Workspace, "error", err)
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), endTime) // whoever asked may have gone
	defer cancel()
	if refused := r.end(ctx, run.Scope.Workspace, run.ID, failing(string(protocol.CodeFailedToStart))); refused != nil {
		r.Log.Error("a run that no worker took could not be ended; its time limit will",
			"run", run.ID, "error", refused)
	}
	return errRefused
}

// endTime is how long the end of a run may take that nobody waits for.
const endTime = 10 * time.Second

// StartSoon is Start for a caller that has told already that the run is there: it hears of a failure by the
// run's end.
func (r *Runs) StartSoon(p access.Principal, run Run) {
	start := func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTime+endTime)
		defer cancel()
		_, refused := r.Start(ctx, p, run)
		if refused == nil {
			r.Answered(ctx, run)
			return
		}
		if refused != errRefused {
			r.Log.Error("a run could not be started", "run", run.ID, "error", refused)
			_ = r.end(ctx, run.Scope.Workspace, run.ID, failing(refused.Message)) // or its time limit ends it
		}
	}
	select {
	case r.slots <- struct{}{}:
		r.starting.Go(func() { defer func() { <-r.slots }(); start() })
	default: // so many workers are slow: the caller waits for this one
		start()
	}
}

// Answered notes that whoever started a run has been told. Its end can be told soon after.
func (r *Runs) Answered(ctx context.Context, run Run) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	for range tries {
		var found bool
		var refused *protocol.Error
		if run, found, refused = r.read(ctx, run.Scope.Workspace, run.ID); refused != nil || !found {
			return // its end waits a little longer
		}
		if !isConflict(r.answered(ctx, &run)) {
			return
		}
	}
}

func (r *Runs) answered(ctx context.Context, run *Run) *protocol.Error {
	if run.AnsweredAt != "" || run.Status.Ended() {
		return nil
	}
	return r.update(ctx, run, map[string]any{"answeredAt": timestamp(r.now())}, nil)
}

// tries is how often a change of a run is tried again after somebody else's.
const tries = 20
