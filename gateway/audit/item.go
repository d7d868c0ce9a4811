package audit

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// event is what of a row is searched and shown. Rows of other programs may lack any of it.
type event struct {
	ID         string `json:"_id"`
	OccurredAt string `json:"occurredAt"`
	EventName  string `json:"eventName"`
	Category   string `json:"category"`
	Outcome    string `json:"outcome"`
	Severity   string `json:"severity"`
	Action     string `json:"action"`
	Summary    string `json:"summary"`
	Actor      struct {
		Kind        string   `json:"kind"`
		UserID      string   `json:"userId"`
		DisplayName string   `json:"displayName"`
		Email       string   `json:"email"`
		Role        string   `json:"role"`
		TeamIDs     []string `json:"teamIds"`
		AgentID     string   `json:"agentId"`
		AgentName   string   `json:"agentName"`
		AppName     string   `json:"appName"`
	} `json:"actor"`
	Source struct {
		Kind      string `json:"kind"`
		Trust     string `json:"trust"`
		AppID     string `json:"appId"`
		AppName   string `json:"appName"`
		RunID     string `json:"runId"`
		RequestID string `json:"requestId"`
	} `json:"source"`
	Target struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"target"`
	Metadata json.RawMessage `json:"metadata"`
	Changes  *struct {
		ChangedFields []string `json:"changedFields"`
		BeforeHash    string   `json:"beforeHash,omitempty"`
		AfterHash     string   `json:"afterHash,omitempty"`
	} `json:"changes"`
	RelatedIDs struct {
		RunID           string `json:"runId"`
		ReviewRequestID string `json:"reviewRequestId"`
		IntegrationID   string `json:"integrationId"`
		AgentRunID      string `json:"agentRunId"`
		DocumentID      string `json:"appDataDocumentId"`
	} `json:"relatedIds"`
}

// Item is a row as it is listed: what the audit pages of web apps show, and the hashes.
type Item struct {
	ID         string     `json:"id"`
	OccurredAt string     `json:"occurredAt"`
	EventName  string     `json:"eventName"`
	Category   string     `json:"category"`
	Outcome    string     `json:"outcome"`
	Severity   string     `json:"severity"`
	Actor      ItemActor  `json:"actor"`
	Source     ItemSource `json:"source"`
	Target     ItemTarget `json:"target"`
	Action     string     `json:"action"`
	Summary    string     `json:"summary"`
	Metadata   []Labelled `json:"metadata"`
	// ChangedFields, BeforeHash and AfterHash are of rows about a document.
	ChangedFields []string `json:"changedFields,omitempty"`
	BeforeHash    string   `json:"beforeHash,omitempty"`
	AfterHash     string   `json:"afterHash,omitempty"`
	Related       []string `json:"related"`
}

// ItemActor is who did it.
type ItemActor struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	Role  string `json:"role"`
	Team  string `json:"team"`
}

// ItemSource is what it came through.
type ItemSource struct {
	Kind      string `json:"kind"`
	Trust     string `json:"trust"`
	App       string `json:"app,omitempty"`
	AppID     string `json:"appId,omitempty"`
	RunID     string `json:"runId,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

// ItemTarget is what it was done to.
type ItemTarget struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Labelled is one value of a row's metadata, for people.
type Labelled struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// eventOf reads a row. What another program has stored as another type counts as absent.
func eventOf(e backends.Entry) (v event) {
	_ = json.Unmarshal(e.Body, &v)
	return v
}

func (v *event) matches(q *Query) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(q.Category, v.Category) && is(q.Outcome, v.Outcome) && is(q.EventName, v.EventName) &&
		is(q.TargetType, v.Target.Type) && is(q.TargetID, v.Target.ID) &&
		is(q.ActorUserID, v.Actor.UserID) && is(q.AppID, v.Source.AppID) && v.mentions(q.Text)
}

func (v *event) mentions(text string) bool {
	if text == "" {
		return true
	}
	for _, field := range []string{
		v.EventName, v.Summary, v.Action, v.Actor.DisplayName, v.Actor.Email, v.Actor.AgentName, v.Source.AppName,
		v.Target.Name, v.Target.ID,
	} {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return false
}

func (v *event) item() Item {
	i := Item{
		ID: v.ID, OccurredAt: v.OccurredAt, EventName: v.EventName, Category: v.Category, Outcome: v.Outcome,
		Severity: v.Severity, Action: v.Action, Summary: v.Summary, Metadata: labelled(v.Metadata),
		Actor: ItemActor{
			Kind: v.Actor.Kind, Email: v.Actor.Email, Role: cmp.Or(v.Actor.Role, v.Actor.Kind), Team: "Workspace",
			Name: cmp.Or(
				v.Actor.DisplayName,
				v.Actor.AgentName,
				v.Actor.AppName,
				v.Actor.Email,
				v.Actor.UserID,
				v.Actor.AgentID,
				"System",
			),
		},
		Source: ItemSource{
			Kind: v.Source.Kind, Trust: v.Source.Trust, App: v.Source.AppName, AppID: v.Source.AppID,
			RunID: cmp.Or(v.Source.RunID, v.RelatedIDs.RunID), RequestID: v.Source.RequestID,
		},
		Target: ItemTarget{
			Type: v.Target.Type, ID: v.Target.ID, Name: cmp.Or(v.Target.Name, v.Target.ID, label(v.Target.Type)),
		},
		Related: []string{},
	}
	if n := len(v.Actor.TeamIDs); n > 0 {
		i.Actor.Team = strconv.Itoa(n) + " teams"
	}
	if c := v.Changes; c != nil {
		i.ChangedFields, i.BeforeHash, i.AfterHash = c.ChangedFields, c.BeforeHash, c.AfterHash
	}
	r := v.RelatedIDs
	for _, id := range []string{r.RunID, r.ReviewRequestID, r.IntegrationID, r.AgentRunID, r.DocumentID} {
		if id != "" {
			i.Related = append(i.Related, id)
		}
	}
	return i
}

// mostLabels bounds the metadata that is shown.
const mostLabels = 24

func labelled(metadata []byte) []Labelled {
	all := []Labelled{}
	if len(metadata) == 0 || metadata[0] != '{' {
		return all
	}
	for name, value := range protocol.Members(metadata) {
		if len(all) == mostLabels {
			break
		}
		all = append(all, Labelled{label(unquote(name)), shown(value)})
	}
	return all
}

// shown is a value for people: texts without quotes, arrays without brackets.
func shown(value []byte) string {
	switch value[0] {
	case '"':
		return unquote(value)
	case '[':
		var parts []string
		for element := range protocol.Elements(value) {
			if element[0] == '"' {
				parts = append(parts, unquote(element))
			} else {
				parts = append(parts, string(element))
			}
		}
		return strings.Join(parts, ", ")
	}
	return string(value)
}

// label is a name for people: its words begin with capitals.
func label(name string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '.' {
			r = ' '
		}
		begins := !inWord
		inWord = r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
		if begins && inWord {
			return unicode.ToUpper(r)
		}
		return r
	}, name)
}
