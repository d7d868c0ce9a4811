package runs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// The kinds of the ledger's entries. The body of each is the run's workspace.
const (
	locatedKind = "agent-run"       // by the run's id: workers report no workspace
	dueKind     = "agent-run-due"   // by time and id: when somebody has to look after the run
	queuedKind  = "agent-run-ready" // by id, which is oldest first: the run waits for a worker
)

func located(id, workspace string, at time.Time) backends.Entry {
	return backends.Entry{Kind: locatedKind, Key: id, Body: []byte(workspace), At: at}
}

func queued(id, workspace string, at, until time.Time) backends.Entry {
	return backends.Entry{Kind: queuedKind, Key: id, Body: []byte(workspace), At: at, Expires: until}
}

func due(id, workspace string, at, when time.Time) backends.Entry {
	key := fmt.Sprintf("%013x/%s", when.UnixMilli(), id)
	return backends.Entry{Kind: dueKind, Key: key, Body: []byte(workspace), At: at}
}

// parseDue reads the key of such an entry.
func parseDue(key string) (when time.Time, id string) {
	ms, id, _ := strings.Cut(key, "/")
	n, err := strconv.ParseInt(ms, 16, 64)
	if err != nil {
		return time.Time{}, id
	}
	return time.UnixMilli(n), id
}

// locate is the workspace of a run, empty for one that nobody knows.
func (r *Runs) locate(ctx context.Context, id string) (workspace string, refused *protocol.Error) {
	if !protocol.ServerMade(id) {
		return "", nil
	}
	found, err := r.Ledger.Find(ctx, locatedKind, id, "", 1)
	if err != nil {
		return "", r.store.Failure(&protocol.Request{}, err)
	}
	if len(found) == 0 {
		return "", nil
	}
	return string(found[0].Body), nil
}
