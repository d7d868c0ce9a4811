package audit

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// usualLimit and mostLimit are how many rows one answer has.
	usualLimit, mostLimit = 100, 200
	// longestParameter bounds a parameter, longestText that which is searched for, in bytes.
	longestParameter = 4 << 10
	longestText      = 120
)

// Query asks for rows of one workspace, newest first. Empty fields ask for nothing.
type Query struct {
	Limit int
	// below is the key that rows must come before; empty: none.
	below string
	// Since and Until are the first and the last time that rows may have.
	Since, Until time.Time

	Category, Outcome, EventName string
	TargetType, TargetID         string
	ActorUserID, AppID           string
	Text                         string // in lower case; part of what people read
}

// The values that parameters can have, as the web apps know them.
var (
	categories = []string{
		"auth", "access", "members", "teams", "apps", "reviews", "integrations", "agents", "tools", "app_data",
		"app_event", "audit", "library", "system",
	}
	outcomes    = []string{"success", "failure", "denied", "started", "completed"}
	targetTypes = []string{
		"workspace", "member", "team", "invitation", "app", "review", "integration", "agent", "run",
		"source_snapshot", "tool", "app_data_document", "app_event", "audit_export",
	}
)

// ParseQuery reads the parameters of a URL. Those that it does not know count as absent, and so do
// empty ones.
func ParseQuery(workspace string, values url.Values) (q Query, refused *protocol.Error) {
	p := parameters{values: values}
	q = Query{
		Limit: p.number("limit", usualLimit, mostLimit), Since: p.time("since"), Until: p.time("until"),
		Category: p.oneOf("category", categories), Outcome: p.oneOf("outcome", outcomes),
		TargetType: p.oneOf("targetType", targetTypes), TargetID: p.text("targetId"),
		ActorUserID: p.text("actorUserId"), AppID: p.text("appId"), EventName: p.text("eventName"),
		Text: strings.ToLower(trim(p.text("q"))),
	}
	if len(q.Text) > longestText {
		p.refuse("q must be at most %d bytes", longestText)
	}
	q.below = p.position(workspace)
	return q, p.refused
}

// parameters are those of a URL. The first one that is malformed is told.
type parameters struct {
	values  url.Values
	refused *protocol.Error
}

func (p *parameters) refuse(format string, args ...any) {
	if p.refused == nil {
		p.refused = protocol.Errorf(protocol.CodeInvalidMessage, format, args...)
	}
}

func (p *parameters) text(name string) string {
	all := p.values[name]
	switch {
	case len(all) == 0:
		return ""
	case len(all) > 1:
		p.refuse("name %s once", name)
	case len(all[0]) > longestParameter || !utf8.ValidString(all[0]):
		p.refuse("%s must be UTF-8 of at most %d bytes", name, longestParameter)
	}
	return all[0]
}

func (p *parameters) number(name string, usual, most int) int {
	text := p.text(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.refuse("%s must be a number from 1 to %d", name, most)
	}
	return n
}

func (p *parameters) time(name string) time.Time {
	text := p.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.refuse("%s must be a time such as 2026-11-30T10:00:00.000Z", name)
	}
	return at.UTC()
}

func (p *parameters) oneOf(name string, all []string) string {
	text := p.text(name)
	if text != "" && !slices.Contains(all, text) {
		p.refuse("%s must be one of %s", name, strings.Join(all, ", "))
	}
	return text
}

// position reads before: the nextBefore of an earlier answer, or a time alone.
func (p *parameters) position(workspace string) string {
	text := p.text("before")
	if text == "" {
		return ""
	}
	stamp, id, _ := strings.Cut(text, "_")
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil || id != "" && !protocol.ServerMade(id) {
		p.refuse("before must be the nextBefore of an earlier answer, or a time such as 2026-11-30T10:00:00.000Z")
		return ""
	}
	return backends.AuditKey(workspace, at, id)
}

// positionOf is what before is for the rows older than a key.
func positionOf(key string) string {
	_, at, id, _ := backends.ParseAuditKey(key)
	return string(protocol.AppendTime(nil, at)) + "_" + id
}

// newest is the key that the first row must come before.
func (q *Query) newest(workspace string) string {
	if q.Until.IsZero() {
		return q.below
	}
	until := backends.AuditKey(workspace, q.Until.Add(time.Millisecond), "")
	if q.below != "" && q.below < until {
		return q.below
	}
	return until
}
