package runs

import (
	"context"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// keptTime is how long a run is kept after its end.
	keptTime = 7 * 24 * time.Hour
	// longestRound is the time between two looks for runs whose time is over.
	longestRound = 5 * time.Second
	// duePage is how many of them one look takes.
	duePage = 100
)

// Run fails the runs that take too long and removes those that ended long ago, until ctx ends. Every gateway
// does: one of them is the first.
func (r *Runs) Run(ctx context.Context) {
	tick := time.NewTicker(min(longestRound, max(r.TimeLimit/4, 10*time.Millisecond)))
	defer tick.Stop()
	for {
		if err := r.lookAfter(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("runs whose time is over could not be ended; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Runs) lookAfter(ctx context.Context) error {
	entries, err := r.Ledger.Find(ctx, dueKind, "", "", duePage)
	if err != nil {
		return err
	}
	for _, e := range entries {
		when, id := parseDue(e.Key)
		if when.After(r.now()) {
			return nil
		}
		if err := r.visit(ctx, e, id); err != nil {
			return err
		}
	}
	return nil
}

// visit does what is due for a run, and notes when it is due again.
func (r *Runs) visit(ctx context.Context, e backends.Entry, id string) error {
	workspace := string(e.Body)
	run, found, refused := r.read(ctx, workspace, id)
	if refused != nil {
		return refused
	}
	now := r.now()
	var again time.Time
	switch {
	case !found:
	case !run.Status.Ended() && now.Before(moment(run.Deadline)):
		again = moment(run.Deadline)
	case !run.Status.Ended():
		sentence := "the run took longer than " + r.TimeLimit.String() + " and was given up"
		if refused := r.end(ctx, workspace, id, failing(sentence)); refused != nil {
			return refused
		}
		again = now.Add(keptTime)
	case now.Before(moment(run.EndedAt).Add(keptTime)):
		again = moment(run.EndedAt).Add(keptTime)
	default:
		if refused := r.remove(ctx, &run); refused != nil {
			return refused
		}
	}
	if !again.IsZero() {
		if err := r.Ledger.Put(ctx, due(id, workspace, now, again), false); err != nil {
			return err
		}
	} else if err := r.take(ctx, locatedKind, id); err != nil {
		return err
	}
	return r.take(ctx, dueKind, e.Key)
}

// remove forgets a run.
func (r *Runs) remove(ctx context.Context, run *Run) *protocol.Error {
	batch := protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
		{Type: protocol.TypeDelete, Collection: collection, DocID: run.ID},
	}}
	if run.HasMessages {
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: protocol.TypeDelete, Collection: transcripts, DocID: transcriptOf(run.ID),
		})
	}
	refused := r.store.WriteOwn(ctx, systemScope(run.Scope.Workspace), &batch, nil).Err
	if isConflict(refused) { // another gateway was faster
		return nil
	}
	return refused
}

// take removes an entry that another gateway may have removed.
func (r *Runs) take(ctx context.Context, kind, key string) error {
	_, err := r.Ledger.Take(ctx, kind, key)
	if protocol.CodeOf(err) == protocol.CodeNotFound {
		return nil
	}
	return err
}
