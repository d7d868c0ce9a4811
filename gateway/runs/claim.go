package runs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/protocol"
)

// queuePage is how many waiting runs are read at once.
const queuePage = 50

// Claim gives the oldest run that waits to a worker: one of a workspace, or of all if that is empty. No other
// worker gets it. found is false if none waits.
func (r *Runs) Claim(
	ctx context.Context, workspace string,
) (run Run, agent json.RawMessage, found bool, refused *protocol.Error) {
	for after := ""; ; {
		waiting, err := r.Ledger.Find(ctx, queuedKind, "", after, queuePage)
		if err != nil {
			return run, nil, false, r.store.Failure(&protocol.Request{}, err)
		}
		for _, e := range waiting {
			after = e.Key
			if workspace != "" && string(e.Body) != workspace {
				continue
			}
			run, agent, found, refused = r.claimOne(ctx, string(e.Body), e.Key)
			if found || refused != nil {
				return run, agent, found, refused
			}
		}
		if len(waiting) < queuePage {
			return run, nil, false, nil
		}
	}
}

// claimOne claims a run unless somebody else was faster, or its agent is gone: then the run has failed.
func (r *Runs) claimOne(
	ctx context.Context, workspace, id string,
) (run Run, agent json.RawMessage, claimed bool, refused *protocol.Error) {
	for range tries {
		var found bool
		run, found, refused = r.read(ctx, workspace, id)
		if refused != nil {
			return run, nil, false, refused
		}
		if !found || run.Status != Pending {
			r.leaveQueue(ctx, id)
			return run, nil, false, nil
		}
		agent, refused = r.Agent(ctx, run.Scope, run.AgentID)
		if refused != nil && refused.Code.Info().Retryable {
			return run, nil, false, refused
		}
		if refused != nil {
			return run, nil, false, r.end(ctx, workspace, id, failing(refused.Message))
		}
		refused = r.update(ctx, &run, map[string]any{
			"status": Streaming, "deadline": timestamp(r.now().Add(r.TimeLimit)),
		}, r.Trail.Beside(r.row(&run, "started", audit.Actor{Kind: "agent", ID: run.AgentID, Name: run.AgentName})))
		if refused == nil {
			r.leaveQueue(ctx, id)
			return run, agent, true, nil
		}
		if !isConflict(refused) {
			return run, nil, false, refused
		}
	}
	return run, nil, false, nil
}

// leaveQueue removes a run from the queue. One that stays is passed over, until it expires.
func (r *Runs) leaveQueue(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, _ = r.Ledger.Take(ctx, queuedKind, id)
}
