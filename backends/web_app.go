package backends

import (
	"context"

	"github.com/secondgate/secondgate/protocol"
)

// WebApp is a backend whose database is also that of a web app of Second, which keeps apps and
// their approvals there.
type WebApp interface {
	// AgentsFile is what the web app says of an app's agents.json now.
	AgentsFile(ctx context.Context, s protocol.Scope) (AgentsFile, error)
}

// AgentsFile is an app's agents.json, of one version, and its approval.
type AgentsFile struct {
	// Exists: the workspace has the app.
	Exists bool
	// Text is the draft's file, nil if there is none. Of what is published it is always nil: that
	// has the rights of its approval, whatever the file says.
	Text *string
	// Hash names the approved file, empty if none is approved. Payload is that file as canonical
	// JSON, nil if there is none or the JSON rules refuse it.
	Hash    string
	Payload []byte
}
