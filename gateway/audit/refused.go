package audit

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// refusedBurst and refusedInterval bound the rows of refused writes: a flood of them leaves about 9,000
	// rows a day. A row says how many were left out before it.
	refusedBurst    = 100
	refusedInterval = 10 * time.Second
	// refusedTime is how long storing one may take.
	refusedTime = 10 * time.Second
)

// refusals are the rows of refused writes that wait to be stored. A queue that is full leaves more
// out.
type refusals struct {
	queue   chan Row
	most    *rate.Limiter
	leftOut *atomic.Int64
}

func newRefusals() refusals {
	return refusals{
		queue: make(chan Row, refusedBurst), most: rate.NewLimiter(rate.Every(refusedInterval), refusedBurst),
		leftOut: new(atomic.Int64),
	}
}

// Refused is a write that was refused.
type Refused struct {
	Scope      protocol.Scope
	By         Actor
	Operation  string // as the wire names it, or "batch"
	Collection string
	DocID      string
	RequestID  string
	Reason     *protocol.Error
}

// Refuse has a row stored for a write that was refused, at the level that has such rows. It never
// blocks.
func (t *Trail) Refuse(ctx context.Context, r Refused) {
	if !t.keeps(LevelAll) {
		return
	}
	if !t.refused.most.Allow() {
		t.refused.leftOut.Add(1)
		return
	}
	select {
	case t.refused.queue <- r.row(ctx, t.refused.leftOut.Swap(0)):
	default:
		t.refused.leftOut.Add(1)
	}
}

func (r *Refused) row(ctx context.Context, leftOut int64) Row {
	outcome := OutcomeFailure
	switch r.Reason.Code {
	case protocol.CodeForbidden, protocol.CodeAppNotFound, protocol.CodeUnauthorized:
		outcome = OutcomeDenied
	}
	values := map[string]any{
		"code": string(r.Reason.Code), "operation": r.Operation, "sourceVersion": r.Scope.Version(),
		"dataScope": r.Scope.Version(),
	}
	target := Target{Type: "app", ID: r.Scope.App}
	if r.Collection != "" {
		values["collection"] = clean(r.Collection, longestValue)
	}
	if r.DocID != "" {
		target = Target{
			Type: "app_data_document", ID: r.DocID, Name: r.Collection + " / " + r.DocID,
			ParentType: "app", ParentID: r.Scope.App,
		}
	}
	if leftOut > 0 {
		values["leftOut"] = leftOut
	}
	return Row{
		Workspace: r.Scope.Workspace, Event: "app_data.write.refused", Category: CategoryAppData,
		Severity: SeverityWarning, Outcome: outcome, Action: "refused",
		Summary: fmt.Sprintf("Refused to %s in %s: %s.", r.Operation, cmp.Or(r.Collection, "the app"), r.Reason.Code),
		Actor:   r.By, Source: sourceOf(ctx, r.By, r.Scope, r.RequestID), Target: target,
		Metadata: Metadata(values), Related: Related{AppID: r.Scope.App, DocumentID: r.DocID},
	}
}

// flushTime is how long rows that wait may take to be stored once the gateway stops.
const flushTime = 2 * time.Second

// runRefused stores rows of refused writes until ctx ends, and then those that wait.
func (t *Trail) runRefused(ctx context.Context) {
	for {
		select {
		case r := <-t.refused.queue:
			t.storeRefused(ctx, r, refusedTime)
		case <-ctx.Done():
			t.flushRefused(context.WithoutCancel(ctx))
			return
		}
	}
}

func (t *Trail) flushRefused(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case r := <-t.refused.queue:
			t.storeRefused(ctx, r, flushTime)
		default:
			return
		}
	}
}

func (t *Trail) storeRefused(ctx context.Context, r Row, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := t.Add(ctx, r); err != nil {
		t.refused.leftOut.Add(1)
		t.log.Warn("a row of the audit trail about a refused write could not be stored", "error", err)
	}
}
