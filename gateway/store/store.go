package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// RequestTime bounds one request, and so how long a connection's changes wait for a read.
	RequestTime = 10 * time.Second
	// catchUpsAtOnce bounds the catch-ups and replays that read the database at once, over all scopes.
	catchUpsAtOnce = 4
)

// Options of a Store.
type Options struct {
	// Mode decides who may do what.
	Mode access.Mode
	// Trail keeps rows of writes; nil keeps none.
	Trail  *audit.Trail
	Limits protocol.Limits
	Quota  Quota
	// UndoTime is how long change sets can be undone.
	UndoTime time.Duration
	Log      *slog.Logger
	Metrics  *metrics.Metrics // nil counts nothing
}

// Store serves the requests of all doors. Any goroutine may call its methods.
type Store struct {
	backend  backends.Backend
	hub      *hub.Hub
	mode     access.Mode
	trail    *audit.Trail
	limits   protocol.Limits
	usages   *usages
	undoTime time.Duration
	metrics  *metrics.Metrics
	log      *slog.Logger
	now      func() time.Time
	faults   *faults
	slots    chan struct{} // held by each catch-up and each read of a replay
	gone     goneReads
	queries  chan struct{} // held by each query
	agents   *agentQueue
}

// New serves what the mode allows.
func New(b backends.Backend, h *hub.Hub, o Options) *Store {
	return &Store{
		backend: b, hub: h, mode: o.Mode, trail: o.Trail, limits: o.Limits, undoTime: o.UndoTime,
		usages: newUsages(o.Quota, b), metrics: o.Metrics, log: o.Log, now: time.Now,
		faults: newFaults(o.Log, o.Metrics), slots: make(chan struct{}, catchUpsAtOnce),
		queries: make(chan struct{}, queriesAtOnce), agents: newAgentQueue(),
	}
}

// Ping returns nil when the database answers, whatever it answers. It is for the gateway itself,
// not for a client.
func (s *Store) Ping(ctx context.Context) error {
	_, _, err := s.backend.Get(ctx, noDocument, nil)
	if !s.faults.note("read", err) {
		s.probed(ctx, err)
	}
	return err
}

// noDocument is a document of no app.
var noDocument = protocol.Ref{Scope: protocol.Scope{Workspace: "-", App: "-"}, Collection: "-", ID: "-"}

// Failure is err as the client sees it. An error that no client caused goes to the log, and never
// to the client.
func (s *Store) Failure(r *protocol.Request, err error) *protocol.Error {
	e := ClientError(err)
	if e == nil {
		s.log.Error("a request failed", "type", string(r.Type), "error", err)
		return protocol.Errorf(protocol.CodeInternal, "the gateway failed; its log says how")
	}
	var w *backends.WriteError
	if r.Type == protocol.TypeBatch && errors.As(err, &w) {
		return protocol.Errorf(e.Code, "operations[%d]: %s", w.Index, e.Message)
	}
	return e
}

// errReplaced: a snapshot that a read must not be older than is not of this database.
var errReplaced = protocol.Errorf(protocol.CodeUnavailable, "the database was replaced: connect again")

// ClientError is what a client may see of err; nil if nothing.
func ClientError(err error) *protocol.Error {
	var e *protocol.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, backends.ErrCursor): // of a read's notBefore
		return errReplaced
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.Errorf(protocol.CodeTimeout,
			"the request ran out of time: ask again, a write with the same mutationId")
	case errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping: connect again")
	}
	return nil
}
