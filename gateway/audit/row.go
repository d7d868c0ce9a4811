package audit

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Categories and outcomes of rows.
const (
	CategoryAppData = "app_data"
	CategoryAuth    = "auth"
	CategoryAgents  = "agents"

	OutcomeSuccess = "success"
	OutcomeFailure = "failure"
	OutcomeDenied  = "denied"
	// OutcomeStarted and OutcomeCompleted are of runs of agents.
	OutcomeStarted   = "started"
	OutcomeCompleted = "completed"

	SeverityInfo    = "info"
	SeverityNotice  = "notice"
	SeverityWarning = "warning"
)

// Row is one row of the trail. What is empty is left out.
type Row struct {
	ID        string // as protocol.NewID makes them
	Workspace string
	At        time.Time
	Expires   time.Time // zero: never

	Event, Category, Severity, Outcome string
	Action, Summary                    string

	Actor    Actor
	Source   Source
	Target   Target
	Metadata []byte // a canonical JSON object; see Metadata
	Changes  *Changes
	Related  Related
}

// Actor is who did it.
type Actor struct {
	Kind string // "user", "agent", "service", "anonymous"
	ID   string
	Name string // for people
	Role string // in the workspace
	// Approval is the hash of the approval that an agent acts under, ChangeSet what its writes belong to
	// together. They stand in the metadata.
	Approval, ChangeSet string
}

// Source is where it came from.
type Source struct {
	Kind, Trust           string
	AppID, AppName        string
	Version               string // "draft" or "published"
	RequestID             string
	IPHash, UserAgentHash string
}

// Target is what it was done to.
type Target struct{ Type, ID, Name, ParentType, ParentID string }

// Changes is what a write did to a document.
type Changes struct {
	Fields                []string
	BeforeHash, AfterHash string
}

// Related are the ids of other things that the row is about.
type Related struct{ AppID, RunID, DocumentID string }

// Metadata makes the metadata of a row.
func Metadata(values map[string]any) []byte {
	text, err := json.Marshal(values)
	if err == nil {
		text, err = protocol.Canonical(text)
	}
	if err != nil {
		return []byte("{}")
	}
	return text
}

// entry is the row as the ledger has it.
func (r *Row) entry() backends.Entry {
	return backends.Entry{
		Kind: backends.AuditKind, Key: backends.AuditKey(r.Workspace, r.At, r.ID),
		Body: r.append(make([]byte, 0, 1536)), At: r.At, Expires: r.Expires,
	}
}

// append appends canonical JSON: names in the order of RFC 8785.
func (r *Row) append(dst []byte) []byte {
	o := begin(dst)
	o.text("_id", r.ID)
	o.text("action", clean(r.Action, longestField))
	o.object("actor", r.Actor.append)
	o.text("category", r.Category)
	if r.Changes != nil {
		o.object("changes", r.Changes.append)
	}
	o.time("createdAt", r.At)
	o.text("eventName", r.Event)
	o.raw("metadata", r.Metadata)
	o.time("observedAt", r.At)
	o.time("occurredAt", r.At)
	o.text("outcome", r.Outcome)
	if r.Related != (Related{}) {
		o.object("relatedIds", r.Related.append)
	}
	o.object("retention", r.appendRetention)
	o.raw("schemaVersion", []byte("1"))
	o.text("severity", r.Severity)
	o.object("source", r.Source.append)
	o.text("summary", clean(r.Summary, longestSummary))
	o.object("target", r.Target.append)
	o.text("workspaceId", r.Workspace)
	return o.end()
}

func (a *Actor) append(o *object) {
	isAgent := a.Kind == "agent"
	if isAgent {
		o.text("agentId", a.ID)
		o.text("agentName", clean(cmp.Or(a.Name, a.ID), longestName))
	} else {
		o.text("displayName", clean(a.shownName(), longestName))
	}
	o.text("kind", a.Kind)
	o.text("role", a.Role)
	if !isAgent {
		o.text("userId", a.ID)
	}
}

// shownName is never empty for somebody whom nobody has asked.
func (a *Actor) shownName() string {
	if a.Kind == "anonymous" {
		return cmp.Or(a.Name, "Anonymous")
	}
	return a.Name
}

func (c *Changes) append(o *object) {
	o.text("afterHash", c.AfterHash)
	o.text("beforeHash", c.BeforeHash)
	o.texts("changedFields", c.Fields)
	o.texts("redactedFields", nil)
}

func (r *Related) append(o *object) {
	o.text("agentRunId", r.RunID)
	o.text("appDataDocumentId", clean(r.DocumentID, longestName))
	o.text("appId", r.AppID)
}

func (r *Row) appendRetention(o *object) {
	if r.Expires.IsZero() {
		o.raw("expiresAt", []byte("null"))
	} else {
		o.time("expiresAt", r.Expires)
	}
	o.raw("legalHold", []byte("false"))
	o.text("policy", "default")
}

func (s *Source) append(o *object) {
	o.text("appId", s.AppID)
	o.text("appName", clean(s.AppName, longestName))
	o.text("ipHash", s.IPHash)
	o.text("kind", s.Kind)
	o.text("requestId", clean(s.RequestID, longestName))
	o.text("sourceVersion", s.Version)
	o.text("trust", s.Trust)
	o.text("userAgentHash", s.UserAgentHash)
}

func (t *Target) append(o *object) {
	o.text("id", clean(t.ID, longestName))
	o.text("name", clean(t.Name, longestTarget))
	o.text("parentId", clean(t.ParentID, longestName))
	o.text("parentType", t.ParentType)
	o.text("type", t.Type)
}
