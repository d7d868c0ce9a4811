package door

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// DataPath is where an app's data is.
const DataPath = "/api/workspaces/{workspace}/apps/{app}/data"

// ScopeOf is the scope that a request's path and ?version= name.
func ScopeOf(r *http.Request, query url.Values) (protocol.Scope, *protocol.Error) {
	s, err := protocol.ParseScope(Segment(r, "workspace"), Segment(r, "app"), query.Get("version"))
	return s, store.ClientError(err)
}

// WorkspaceOf is the workspace that a request's path names.
func WorkspaceOf(r *http.Request) (string, *protocol.Error) {
	s, err := protocol.ParseScope(Segment(r, "workspace"), "app", "")
	return s.Workspace, store.ClientError(err)
}

// Identify names the principal of a request and its scope, in the order of checks: who, where, allowed.
// A door asks it before anything else, so that an outsider learns nothing from what is checked later.
func (e *Env) Identify(
	r *http.Request, query url.Values, right access.Right,
) (access.Principal, protocol.Scope, *protocol.Error) {
	return e.identify(e.Mode.Identify, r, query, right)
}

// IdentifyFollower is Identify of a request to follow its scope, which may have a ticket.
func (e *Env) IdentifyFollower(
	r *http.Request, query url.Values,
) (access.Principal, protocol.Scope, *protocol.Error) {
	if query.Has(access.TicketParameter) {
		if refused := e.Quotas.TriesTicket(r); refused != nil {
			return access.Principal{}, protocol.Scope{}, refused
		}
	}
	return e.identify(e.Tickets.Identify, r, query, access.Read)
}

func (e *Env) identify(
	who func(*http.Request, protocol.Scope) (access.Principal, *protocol.Error),
	r *http.Request, query url.Values, right access.Right,
) (p access.Principal, s protocol.Scope, refused *protocol.Error) {
	s, malformed := ScopeOf(r, query)
	if p, refused = who(r, s); refused != nil {
		return p, s, refused
	}
	if malformed != nil {
		return p, s, malformed
	}
	return p, s, e.Mode.Allow(r.Context(), p, s, right)
}

// Segment is one decoded part of the path. Ids are data: an encoded slash or dot was never a path.
// The router matches RawPath where the URL has one, so only then is the part still encoded.
func Segment(r *http.Request, name string) string {
	part := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return part
	}
	text, err := url.PathUnescape(part)
	if err != nil {
		return part // net/http has refused such paths
	}
	return text
}

// WantsRev reports whether documents should carry _rev.
func WantsRev(query url.Values) bool { return query.Get("rev") == "1" }

// IsText reports whether databases can keep s in a name: UTF-8 without U+0000.
func IsText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
