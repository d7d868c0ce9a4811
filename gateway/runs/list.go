package runs

import (
	"context"
	"encoding/json"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// newest is how many runs a list has.
const newest = 50

// List are the newest runs of an app, newest first: of both versions, or of the published one.
func (r *Runs) List(ctx context.Context, s protocol.Scope, drafts bool) (all []Run, refused *protocol.Error) {
	q := ofApp(s, drafts)
	q.Limit, q.Order = newest, []string{"-_createdAt"}
	all, _, refused = r.query(ctx, s.Workspace, q)
	return all, refused
}

// active are the runs of a workspace that have not ended.
func (r *Runs) active(ctx context.Context, workspace string) (all []Run, refused *protocol.Error) {
	where, _ := canonical(map[string]any{"status": map[string]any{"$in": []Status{Pending, Streaming}}})
	q := protocol.Request{Where: where, Limit: protocol.MaxResults}
	for {
		page, next, refused := r.query(ctx, workspace, q)
		all = append(all, page...)
		if refused != nil || next == "" {
			return all, refused
		}
		q.After = next
	}
}

// ofApp asks for the runs of an app.
func ofApp(s protocol.Scope, drafts bool) protocol.Request {
	where := map[string]any{"appId": s.App}
	if !drafts {
		where["sourceVersion"] = "published"
	}
	text, _ := canonical(where) // ids are texts
	return protocol.Request{Where: text}
}

func (r *Runs) query(
	ctx context.Context, workspace string, q protocol.Request,
) (page []Run, next string, refused *protocol.Error) {
	q.Type, q.Collection = protocol.TypeQuery, collection
	answer, _ := r.store.Query(ctx, access.Gateway(), systemScope(workspace), &q, store.Read{})
	for i := range answer.Docs {
		run, err := decode(workspace, &answer.Docs[i])
		if err != nil {
			return nil, "", r.store.Failure(&q, err)
		}
		page = append(page, run)
	}
	return page, answer.Next, answer.Err
}

// Messages are what a run's worker reported of its conversation, as a JSON array.
func (r *Runs) Messages(ctx context.Context, run Run) (json.RawMessage, *protocol.Error) {
	if !run.HasMessages {
		return json.RawMessage("[]"), nil
	}
	q := protocol.Request{Type: protocol.TypeDoc, Collection: transcripts, DocID: transcriptOf(run.ID)}
	answer, _ := r.store.Doc(ctx, access.Gateway(), systemScope(run.Scope.Workspace), &q, store.Read{})
	if answer.Err != nil || answer.Doc == nil {
		return json.RawMessage("[]"), answer.Err
	}
	messages, ok := protocol.Member(answer.Doc.Data, "messages")
	if !ok {
		return json.RawMessage("[]"), nil
	}
	return messages, nil
}

// Usage is what the runs of an app have used together.
type Usage struct {
	Usage              *Used `json:"usage"` // null while no run has reported any
	RunCount           int   `json:"runCount"`
	CompletedRunCount  int   `json:"completedRunCount"`
	RunCountWithUsages int   `json:"usageRunCount"`
}

// Used is usage as workers report it: each number is the sum.
type Used struct {
	TotalCostUSD float64                       `json:"totalCostUsd"`
	ModelUsage   map[string]map[string]float64 `json:"modelUsage"`
}

// Sum adds up what the runs of an app have used.
func (r *Runs) Sum(ctx context.Context, s protocol.Scope, drafts bool) (u Usage, refused *protocol.Error) {
	q := ofApp(s, drafts)
	q.Limit, q.Fields = protocol.MaxResults, []string{"status", "usage"}
	for {
		page, next, refused := r.query(ctx, s.Workspace, q)
		if refused != nil {
			return u, refused
		}
		for i := range page {
			u.add(&page[i])
		}
		if next == "" {
			return u, nil
		}
		q.After = next
	}
}

func (u *Usage) add(run *Run) {
	u.RunCount++
	if run.Status == Completed {
		u.CompletedRunCount++
	}
	var reported struct {
		TotalCostUSD float64                   `json:"totalCostUsd"`
		ModelUsage   map[string]map[string]any `json:"modelUsage"`
	}
	if len(run.Usage) == 0 || run.Usage[0] != '{' || json.Unmarshal(run.Usage, &reported) != nil {
		return
	}
	u.RunCountWithUsages++
	if u.Usage == nil {
		u.Usage = &Used{ModelUsage: map[string]map[string]float64{}}
	}
	u.Usage.TotalCostUSD += reported.TotalCostUSD
	for model, counts := range reported.ModelUsage {
		sum := u.Usage.ModelUsage[model]
		if sum == nil {
			sum = map[string]float64{}
			u.Usage.ModelUsage[model] = sum
		}
		for name, v := range counts {
			if n, isNumber := v.(float64); isNumber {
				sum[name] += n
			}
		}
	}
}
