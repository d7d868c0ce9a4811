package approvals

import (
	"context"
	"encoding/json"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// rowsOf are the rows of the audit trail for events. A file that is saved has none: it gives nobody a right.
func rowsOf(s protocol.Scope, events []Event) (rows []audit.Row) {
	for _, e := range events {
		s.Draft = e.Version == "draft"
		c := audit.AgentsConfig{Scope: s, Hash: e.Hash, Source: e.Source, MockOnly: e.Source == SourceBuildChatMock}
		switch e.Event {
		case "approved", "published":
			rows = append(rows, c.Approved())
		case "stale":
			rows = append(rows, c.Stale(e.after))
		case "revoked":
			rows = append(rows, c.Revoked())
		}
	}
	return rows
}

// History returns a page of what happened to an app's agents.json, newest first. after and next are
// positions as those of lists.
func (a *Approvals) History(
	ctx context.Context, s protocol.Scope, limit int, after string,
) (events []Event, next string, refused *protocol.Error) {
	r := protocol.Request{Type: protocol.TypeList, Collection: historyCollection, Limit: limit, After: after}
	answer, _ := a.store.List(ctx, access.Gateway(), systemScope(s), &r, store.Read{})
	if answer.Err != nil {
		return nil, "", answer.Err
	}
	events = []Event{}
	for _, doc := range answer.Docs {
		var e Event
		if err := json.Unmarshal(doc.Data, &e); err != nil {
			return nil, "", a.store.Failure(&r, err)
		}
		events = append(events, e)
	}
	return events, answer.Next, nil
}
