package runs

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// DefaultTimeLimit is how long a run may take unless the operator says otherwise.
const DefaultTimeLimit = time.Hour

// Options of Runs.
type Options struct {
	Approvals *approvals.Approvals
	Ledger    backends.Ledger
	Trail     *audit.Trail
	// Driver hands runs to a worker; nil: workers claim them.
	Driver Driver
	// TimeLimit is how long a run may take from its start, and how long it may wait before.
	TimeLimit time.Duration
	Log       *slog.Logger
}

// Runs of all apps of a database. Any goroutine may call its methods.
type Runs struct {
	Options
	store *store.Store
	board *Board
	now   func() time.Time

	starting sync.WaitGroup
	slots    chan struct{} // held by each start that nobody waits for
}

// startsAtOnce bounds the starts that nobody waits for.
const startsAtOnce = 64

// New reads and writes through a store.
func New(s *store.Store, o Options) *Runs {
	r := &Runs{Options: o, store: s, now: time.Now, slots: make(chan struct{}, startsAtOnce)}
	r.board = newBoard(r)
	return r
}

// Wait waits for what runs beside its callers, once nobody calls any more.
func (r *Runs) Wait() {
	r.starting.Wait()
	r.board.wait()
}

func systemScope(workspace string) protocol.Scope { return protocol.SystemScope(workspace, "") }

// Agents are those of a version's agents.json, as people see them: none where the file is missing or wrong.
func (r *Runs) Agents(ctx context.Context, s protocol.Scope) ([]approvals.Agent, *protocol.Error) {
	m, refused := r.manifest(ctx, s)
	if refused != nil && refused.Code.Info().HTTP == http.StatusBadRequest || refused == nil && m == nil {
		return []approvals.Agent{}, nil
	}
	if refused != nil {
		return nil, refused
	}
	return append([]approvals.Agent{}, m.Agents()...), nil
}

// manifest is a version's agents.json, nil where it names no agents. What was published counts only while its
// approval does.
func (r *Runs) manifest(ctx context.Context, s protocol.Scope) (*approvals.Manifest, *protocol.Error) {
	draft, state, refused := r.Approvals.Show(ctx, s)
	if refused != nil {
		return nil, refused
	}
	missing := state.Approval == nil || state.Approval.Hash == ""
	if s.Draft {
		state, missing = draft, false
	}
	if missing || state.File == nil {
		return nil, errNoAgents
	}
	m, err := approvals.ParseManifest(*state.File)
	switch err {
	case nil, approvals.ErrNothing:
		return m, nil
	case approvals.ErrMissing:
		return nil, errNoAgents
	}
	return nil, protocol.Errorf(protocol.CodeInvalidAgentsJSON, "%s", err)
}

var (
	errNoAgents = protocol.Errorf(protocol.CodeNoAgentsDefined,
		"this version of the app has no agents: save an agents.json, or publish one")
	errNoAgent = protocol.Errorf(protocol.CodeAgentNotFound,
		"agents.json has no agent of this id: name one that it lists")
	errNoRun = protocol.Errorf(protocol.CodeRunNotFound,
		"there is no such run of an agent, or you have no access to it")
)

// Agent is an agent of a version as agents.json has it.
func (r *Runs) Agent(ctx context.Context, s protocol.Scope, id string) (json.RawMessage, *protocol.Error) {
	m, refused := r.manifest(ctx, s)
	if refused != nil {
		return nil, refused
	}
	if m != nil {
		if agent, ok := m.Agent(id); ok {
			return agent, nil
		}
	}
	return nil, errNoAgent
}

// Find is a run of an app's workspace that p may see.
func (r *Runs) Find(ctx context.Context, s protocol.Scope, id string) (Run, *protocol.Error) {
	run, found, refused := r.read(ctx, s.Workspace, id)
	if refused == nil && (!found || run.App != s.App) {
		refused = errNoRun
	}
	return run, refused
}

// read reads a run as it is in the database now.
func (r *Runs) read(ctx context.Context, workspace, id string) (run Run, found bool, refused *protocol.Error) {
	if !protocol.ServerMade(id) {
		return run, false, nil
	}
	q := protocol.Request{Type: protocol.TypeDoc, Collection: collection, DocID: id}
	answer, _ := r.store.Doc(ctx, access.Gateway(), systemScope(workspace), &q, store.Read{})
	if answer.Err != nil || answer.Doc == nil {
		return run, false, answer.Err
	}
	run, err := decode(workspace, answer.Doc)
	if err != nil {
		return run, false, r.store.Failure(&q, err)
	}
	return run, true, nil
}

// update changes fields of a run that nobody has changed since it was read. It refuses with conflict if
// somebody has.
func (r *Runs) update(
	ctx context.Context, run *Run, fields map[string]any, entries func([]backends.Change) []backends.Entry,
) *protocol.Error {
	q := protocol.Request{Type: protocol.TypeUpdate, Collection: collection, DocID: run.ID, IfRev: run.rev}
	var err error
	if q.Data, err = canonical(fields); err != nil {
		return r.store.Failure(&q, err)
	}
	answer := r.store.WriteOwn(ctx, systemScope(run.Scope.Workspace), &q, entries)
	if answer.Err != nil {
		return answer.Err
	}
	if *run, err = decode(run.Scope.Workspace, answer.Doc); err != nil {
		return r.store.Failure(&q, err)
	}
	return nil
}

// canonical is v as a document's data.
func canonical(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return protocol.Canonical(text)
}

func isConflict(refused *protocol.Error) bool {
	return refused != nil && (refused.Code == protocol.CodeConflict || refused.Code == protocol.CodeNotFound)
}
