package runs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// restTime lies between the answer to whoever started a run and the run's end: today's pages lose an
	// end that comes before they have read the answer.
	restTime = 250 * time.Millisecond
	// answerTime is how long an end waits for that answer to be out. Then whoever gave it is gone.
	// It leaves the report time for the write, within what a request may take.
	answerTime = startTime + 2*time.Second
	// oldAnswer is an age of the answer beyond which clocks of gateways do not matter.
	oldAnswer = time.Minute
)

// Report is a worker's word that a run has ended.
type Report struct {
	Status Status
	// Result, Usage and Messages are JSON of any kind; nil if there is nothing.
	Result, Usage, Messages json.RawMessage
}

func failing(sentence string) Report { return Report{Status: Failed, Result: failure(sentence)} }

// Complete ends a run by a worker's report. Reports repeat, and come for runs that nobody knows:
// nothing happens then. The first end of a run is final.
func (r *Runs) Complete(ctx context.Context, id string, report Report) *protocol.Error {
	workspace, refused := r.locate(ctx, id)
	if refused != nil || workspace == "" {
		return refused
	}
	if refused := r.awaitAnswer(ctx, workspace, id); refused != nil {
		return refused
	}
	return r.end(ctx, workspace, id, report)
}

// awaitAnswer waits until the end of a run may be told: restTime after its start was answered.
func (r *Runs) awaitAnswer(ctx context.Context, workspace, id string) *protocol.Error {
	until := r.now().Add(answerTime)
	changes, refused := r.changes(ctx, workspace, "", 0)
	for {
		if refused != nil {
			return refused
		}
		run, found, refused := r.read(ctx, workspace, id)
		if refused != nil || !found || run.Status.Ended() || run.StartedAt == "" {
			return refused
		}
		if answered := moment(run.AnsweredAt); !answered.IsZero() {
			if age := r.now().Sub(answered); age < 0 || age < oldAnswer {
				return r.pause(ctx, restTime)
			}
			return nil
		}
		left := min(until.Sub(r.now()), moment(run.StartedAt).Add(answerTime).Sub(r.now()))
		if left <= 0 {
			return nil
		}
		if changes, refused = r.changes(ctx, workspace, changes.Cursor, left); refused != nil {
			return refused
		}
	}
}

func (r *Runs) pause(ctx context.Context, d time.Duration) *protocol.Error {
	select {
	case <-ctx.Done():
		return r.store.Failure(&protocol.Request{}, ctx.Err())
	case <-time.After(d):
		return nil
	}
}

// end ends a run, unless it has ended.
func (r *Runs) end(ctx context.Context, workspace, id string, report Report) *protocol.Error {
	for range tries {
		run, found, refused := r.read(ctx, workspace, id)
		if refused != nil || !found || run.Status.Ended() {
			return refused
		}
		if refused = r.writeEnd(ctx, &run, report); !isConflict(refused) {
			return refused
		}
	}
	return protocol.Errorf(
		protocol.CodeUnavailable,
		"the run is being changed by others: report again in a moment",
	)
}

func (r *Runs) writeEnd(ctx context.Context, run *Run, report Report) *protocol.Error {
	messages := transcript(report.Messages)
	fields, err := canonical(map[string]any{
		"status": report.Status, "endedAt": timestamp(r.now()), "hasMessages": messages != nil,
		"result": shortened(report.Result, maxResult), "usage": shortened(report.Usage, maxUsage),
	})
	update := protocol.Request{
		Type: protocol.TypeUpdate, Collection: collection, DocID: run.ID, IfRev: run.rev, Data: fields,
	}
	if err != nil {
		return r.store.Failure(&update, err)
	}
	batch := protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{update}}
	if messages != nil {
		batch.Operations = append(batch.Operations, protocol.Request{
			Type: protocol.TypeUpsert, Collection: transcripts, DocID: transcriptOf(run.ID), Data: messages,
		})
	}
	actor := audit.Actor{Kind: "agent", ID: run.AgentID, Name: run.AgentName}
	row := r.Trail.Beside(r.row(run, string(report.Status), actor))
	return r.store.WriteOwn(ctx, systemScope(run.Scope.Workspace), &batch,
		func(c []backends.Change) []backends.Entry { return row(c) }).Err
}

const (
	// maxResult, maxUsage and maxMessages bound what is kept of a report, in bytes.
	maxResult, maxUsage = 256 << 10, 64 << 10
	maxMessages         = 4 << 20
)

// shortened is a worker's value as it is kept. A text that is too long is cut, any other such value left out.
func shortened(raw json.RawMessage, most int) json.RawMessage {
	value, text := lenient(raw)
	if value == nil {
		return json.RawMessage("null")
	}
	if len(text) <= most {
		return text
	}
	if long, ok := value.(string); ok {
		cut, _ := json.Marshal(string([]rune(long[:most/2]))) // half of it: some characters take six bytes
		return cut
	}
	return failure("what the worker reported is too long to be kept")
}

// transcript is the document of a run's messages, nil if there are none, or too many.
func transcript(raw json.RawMessage) []byte {
	value, text := lenient(raw)
	if _, isArray := value.([]any); !isArray || len(text) > maxMessages {
		return nil
	}
	data, _ := canonical(map[string]json.RawMessage{"messages": text}) // lenient has tried
	return data
}

// lenient reads what a worker sent as JavaScript would: it is kept, not judged. What cannot be kept is nil.
func lenient(raw json.RawMessage) (value any, text json.RawMessage) {
	if len(raw) == 0 || json.Unmarshal(raw, &value) != nil || value == nil {
		return nil, nil
	}
	if _, err := canonical(map[string]any{"value": value}); err != nil {
		return nil, nil
	}
	text, _ = json.Marshal(value) // it was marshalled just now
	return value, text
}
