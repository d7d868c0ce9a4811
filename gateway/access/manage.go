package access

import (
	"net/http"

	"github.com/secondgate/secondgate/protocol"
)

// errManagers is for members of a workspace.
var errManagers = protocol.Errorf(protocol.CodeAuditForbidden,
	"the audit log is for the workspace's owners and admins: ask one of them")

// IdentifyManager names the principal of a request for what only the owners and admins of a workspace may
// see. In a mode without roles everybody is one; or the web app that is asked decides.
func IdentifyManager(m Mode, r *http.Request, workspace string) (Principal, *protocol.Error) {
	p, refused := m.Identify(r, protocol.Scope{Workspace: workspace})
	switch {
	case refused == nil && workspace == "" && p != localOwner:
		return p, errOutside
	case refused != nil && refused.Code == protocol.CodeForbidden:
		return p, errManagers
	case refused != nil || p.Roles == nil:
		return p, refused
	}
	switch p.Roles.Workspaces[workspace] {
	case Owner, Admin:
		return p, nil
	case Member:
		return p, errManagers
	}
	return p, errOutside
}
