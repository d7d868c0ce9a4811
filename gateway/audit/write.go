package audit

import (
	"context"
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// writes makes the rows of a transaction.
type writes struct {
	trail  *Trail
	ids    []string
	actor  Actor
	source Source
}

// Entries makes the rows of a transaction, one for each of its writes: see [backends.Tx.Entries]. It
// returns nil if writes leave no rows.
func (t *Trail) Entries(
	ctx context.Context, by Actor, tx *backends.Tx, requestID string,
) func([]backends.Change) []backends.Entry {
	if !t.keeps(LevelWrites) {
		return nil
	}
	w := &writes{
		trail: t, actor: by, source: sourceOf(ctx, by, tx.Scope, requestID), ids: make([]string, len(tx.Writes)),
	}
	for i := range w.ids {
		w.ids[i] = protocol.NewID(tx.At)
	}
	scope, at, asked := tx.Scope, tx.At, tx.Writes
	t.noteWritten(scope.Workspace)
	return func(changes []backends.Change) []backends.Entry {
		entries := make([]backends.Entry, len(changes))
		for i := range changes {
			r := w.row(scope, at, &asked[i], &changes[i])
			r.ID = w.ids[i]
			entries[i] = r.entry()
		}
		return entries
	}
}

// Rows are rows of what a transaction does beside its writes, by somebody, about a scope. They are committed
// with it: see [backends.Tx.Entries]. Rows returns nil if writes leave no rows.
func (t *Trail) Rows(
	ctx context.Context, by Actor, s protocol.Scope, at time.Time, rows []Row,
) func([]backends.Change) []backends.Entry {
	if !t.keeps(LevelWrites) || len(rows) == 0 {
		return nil
	}
	entries := make([]backends.Entry, len(rows))
	source := sourceOf(ctx, by, s, "")
	if by.Kind == "user" { // a page of the gateway's or the web app's, not an app
		source.Kind, source.Trust = "web_server", "server_trusted"
	}
	for i, r := range rows {
		r.ID, r.At, r.Expires, r.Actor, r.Source = protocol.NewID(at), at, t.expiry(at), by, source
		entries[i] = r.entry()
	}
	t.noteWritten(s.Workspace)
	return func([]backends.Change) []backends.Entry { return entries }
}

// sourceOf says what a request came through. Only the gateway's own doors are trusted.
func sourceOf(ctx context.Context, by Actor, s protocol.Scope, requestID string) Source {
	o := originOf(ctx)
	if requestID == "" {
		requestID = o.RequestID
	}
	source := Source{
		Kind: "app_iframe", Trust: "client_untrusted", AppID: s.App, Version: s.Version(), RequestID: requestID,
		IPHash: o.Client.ipHash(), UserAgentHash: o.Client.userAgentHash(),
	}
	switch by.Kind {
	case "agent": // no browser: there is nothing to say about its address
		return Source{Kind: "app_agent", Trust: "internal_trusted", AppID: s.App, Version: s.Version()}
	case "service":
		source.Kind, source.Trust = "web_server", "server_trusted"
	}
	return source
}

// operations are how rows call what writes do.
var operations = map[backends.Op]struct{ done, doing string }{
	backends.Insert: {"inserted", "Inserted"},
	backends.Update: {"updated", "Updated"},
	backends.Upsert: {"upserted", "Upserted"},
	backends.Delete: {"deleted", "Deleted"},
}

func (w *writes) row(s protocol.Scope, at time.Time, asked *backends.Write, c *backends.Change) Row {
	op := operations[asked.Op]
	summary := op.doing + " document in " + asked.Collection + "."
	if w.actor.Kind == "agent" {
		summary = "App agent " + op.done + " document in " + asked.Collection + "."
	}
	severity := SeverityNotice
	if asked.Op == backends.Delete {
		severity = SeverityWarning
	}
	return Row{
		Workspace: s.Workspace, At: at, Expires: w.trail.expiry(at),
		Event: "app_data.document." + op.done, Category: CategoryAppData, Severity: severity,
		Outcome: OutcomeSuccess, Action: op.done, Summary: summary, Actor: w.actor, Source: w.source,
		Target: Target{
			Type: "app_data_document", ID: c.Ref.ID, Name: asked.Collection + " / " + c.Ref.ID,
			ParentType: "app", ParentID: s.App,
		},
		Metadata: w.metadata(s, asked), Changes: changesOf(asked, c),
		Related: Related{AppID: s.App, DocumentID: c.Ref.ID},
	}
}

func (w *writes) metadata(s protocol.Scope, asked *backends.Write) []byte {
	o := begin(make([]byte, 0, 128))
	o.text("agentsJsonHash", w.actor.Approval)
	o.text("changeSet", w.actor.ChangeSet)
	o.text("collection", clean(asked.Collection, longestValue))
	o.text("dataScope", s.Version())
	if asked.Op == backends.Upsert {
		o.texts("filterKeys", filterKeys(asked))
	}
	if w.actor.Kind == "agent" {
		o.text("operation", asked.Op.String())
	}
	o.text("sourceVersion", s.Version())
	return o.end()
}

// mostKeys bounds the names of a filter in a row.
const mostKeys = 25

// filterKeys are the names by which an upsert looked for its document.
func filterKeys(asked *backends.Write) []string {
	if asked.Filter == nil {
		return []string{"_id"}
	}
	var keys []string
	if asked.Filter.ID != "" {
		keys = append(keys, "_id")
	}
	for name := range protocol.Members(asked.Filter.Object()) {
		if len(keys) == mostKeys {
			break
		}
		keys = append(keys, clean(unquote(name), longestValue))
	}
	return keys
}

// changesOf says what became of a document, by names and hashes alone. An upsert has no hash of what
// was before.
func changesOf(asked *backends.Write, c *backends.Change) *Changes {
	named := asked.Data
	changes := &Changes{}
	if c.Before != nil && asked.Op != backends.Upsert {
		changes.BeforeHash = hashOf(c.Before.Data)
	}
	switch {
	case c.Doc != nil:
		changes.AfterHash = hashOf(c.Doc.Data)
	case c.Before != nil:
		named = c.Before.Data
	}
	if len(named) > 0 {
		changes.Fields = fieldsOf(named)
	}
	return changes
}

// fieldsOf are the names of a canonical object, as rows have them.
func fieldsOf(object []byte) (fields []string) {
	for quoted := range protocol.Members(object) {
		name := cut(clean(unquote(quoted), longestValue), longestField)
		if name == "" || slices.Contains(fields, name) {
			continue
		}
		if fields = append(fields, name); len(fields) == mostFields {
			break
		}
	}
	return fields
}
