package access

import (
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// The roles in a workspace.
const (
	Owner  = "owner"
	Admin  = "admin"
	Member = "member"
)

// The roles in an app.
const (
	Creator      = "creator"
	Collaborator = "collaborator"
	Viewer       = "viewer"
)

// Roles are what a credential says about its user.
type Roles struct {
	// Workspaces has the role in each workspace, by its id in lower case.
	Workspaces map[string]string
	// Apps has the role in each app. It counts in the workspaces that the user belongs to.
	Apps map[string]string
}

// errOutside is what everyone gets who has no access to an app, whether it exists or not.
var errOutside = protocol.Errorf(
	protocol.CodeAppNotFound,
	"there is no such app, or you have no access to it",
)

var errDraft = protocol.Errorf(protocol.CodeForbidden,
	"the draft is for those who build the app: ask its creator to make you a collaborator")

// check decides. Owners and admins of a workspace may do everything in its apps, creators and
// collaborators of an app everything in it, and viewers everything in its published version.
func (r *Roles) check(s protocol.Scope) *protocol.Error {
	role, app := r.Of(s)
	switch {
	case role == "":
		return errOutside
	case role == Owner || role == Admin:
		return nil
	case app == "":
		return errOutside
	case s.Draft && app == Viewer:
		return errDraft
	}
	return nil
}

// Of returns the roles in the workspace of a scope and in its app, empty where there is none.
func (r *Roles) Of(s protocol.Scope) (workspace, app string) {
	return r.Workspaces[s.Workspace], r.Apps[s.App]
}

// In is the role that decides in a scope.
func (r *Roles) In(s protocol.Scope) string {
	workspace, app := r.Of(s)
	if app == "" || workspace == Owner || workspace == Admin {
		return workspace
	}
	return app
}

// addWorkspace adds a role. It fails on a role that does not exist, and on a workspace that has one under
// another spelling: which of them counts would be left to chance.
func (r *Roles) addWorkspace(id, role string) bool {
	id = strings.ToLower(strings.TrimSpace(id))
	if _, twice := r.Workspaces[id]; twice {
		return false
	}
	r.Workspaces[id] = role
	return role == Owner || role == Admin || role == Member
}

// addApp adds a role. It fails on a role that does not exist.
func (r *Roles) addApp(id, role string) bool {
	r.Apps[id] = role
	return role == Creator || role == Collaborator || role == Viewer
}
