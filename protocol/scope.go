package protocol

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxStoredName is the greatest length of an id or a collection name in bytes that any request may
// name. Stored names outside the grammar are served, but not any longer ones.
const MaxStoredName = 4 << 10

// MaxName is the greatest length of an id (bytes) and of a collection name (characters).
const MaxName = 128

const (
	// draftSuffix marks the draft scope in storage, which is why no app id may end in it.
	draftSuffix = "__draft"
	// systemSuffix marks the scopes in which the gateways keep documents of their own.
	systemSuffix = "__system"
)

// Scope is what everything lives in: one version of one app of one workspace.
// Nothing of one scope ever reaches another.
type Scope struct {
	Workspace string
	App       string
	Draft     bool
}

// ParseScope checks ids that came from a URL or a body. Workspace ids are trimmed and compared in
// lower case; every version but "draft" means published. It fails with invalid_id.
func ParseScope(workspace, app, version string) (Scope, error) {
	workspace = strings.ToLower(strings.TrimSpace(workspace))
	if !validID(workspace) {
		return Scope{}, Errorf(
			CodeInvalidID, "the workspace id must be 1 to %d characters of A-Z a-z 0-9 _ -", MaxName,
		)
	}
	if !validID(app) {
		return Scope{}, Errorf(CodeInvalidID, "the app id must be 1 to %d characters of A-Z a-z 0-9 _ -", MaxName)
	}
	if strings.HasSuffix(app, draftSuffix) {
		return Scope{}, Errorf(
			CodeInvalidID, "an app id cannot end in %s: ask for version=draft instead", draftSuffix,
		)
	}
	if strings.HasSuffix(app, systemSuffix) {
		return Scope{}, Errorf(CodeInvalidID, "an app id cannot end in %s: choose another one", systemSuffix)
	}
	return Scope{Workspace: workspace, App: app, Draft: version == "draft"}, nil
}

// SystemScope is the reserved scope of an app, or of a workspace if app is empty. The gateways keep
// approvals and runs there, as documents, so that each of them hears of a change by the feed. No client
// can name it.
func SystemScope(workspace, app string) Scope {
	return Scope{Workspace: workspace, App: app + systemSuffix}
}

// OfSystem is the published scope of the app whose reserved scope s is.
func (s Scope) OfSystem() Scope {
	return Scope{Workspace: s.Workspace, App: strings.TrimSuffix(s.App, systemSuffix)}
}

// IsSystem reports whether s is a reserved scope.
func (s Scope) IsSystem() bool { return strings.HasSuffix(s.App, systemSuffix) }

// StoredScope is the scope of a stored row, the inverse of [Scope.StoredApp].
func StoredScope(workspace, storedApp string) Scope {
	app, draft := strings.CutSuffix(storedApp, draftSuffix)
	return Scope{Workspace: workspace, App: app, Draft: draft}
}

// StoredApp is the app id as databases keep it: the draft scope has an app id of its own.
func (s Scope) StoredApp() string {
	if s.Draft {
		return s.App + draftSuffix
	}
	return s.App
}

// Version is the scope's version as clients name it.
func (s Scope) Version() string {
	if s.Draft {
		return "draft"
	}
	return "published"
}

// String is for logs.
func (s Scope) String() string { return s.Workspace + "/" + s.StoredApp() }

// Ref names one document.
type Ref struct {
	Scope      Scope
	Collection string
	ID         string
}

// String is for logs and test failures.
func (r Ref) String() string { return r.Scope.String() + "/" + r.Collection + "/" + r.ID }

// CheckNewID tells whether a client may give id to a new document. Ids that are stored already are
// served whatever they look like; only new ones are held to the grammar. It fails with invalid_id.
func CheckNewID(id string) error {
	if !validID(id) {
		return Errorf(CodeInvalidID, "a document id must be 1 to %d characters of A-Z a-z 0-9 _ -", MaxName)
	}
	if ServerMade(id) {
		return Errorf(
			CodeInvalidID, "ids of 24 hex digits are made by the server only: choose another id or leave docId out",
		)
	}
	return nil
}

// CheckNewCollection tells whether documents may be newly made in a collection of that name.
// It fails with invalid_id.
func CheckNewCollection(name string) error {
	if !utf8.ValidString(name) || name == "" || utf8.RuneCountInString(name) > MaxName ||
		strings.ContainsFunc(name, unicode.IsControl) {
		return Errorf(
			CodeInvalidID, "a collection name must be 1 to %d characters without control characters", MaxName,
		)
	}
	return nil
}

// validID is the grammar [A-Za-z0-9_-]{1,128}. Ids are data, never a path.
func validID(id string) bool {
	if len(id) == 0 || len(id) > MaxName {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// CheckName refuses an id or a collection name that is too long for any request: invalid_id. what
// is the name of the field.
func CheckName(what, name string) error {
	if len(name) > MaxStoredName {
		return Errorf(CodeInvalidID, "%s is %d bytes long; names are at most %d", what, len(name), MaxStoredName)
	}
	return nil
}
