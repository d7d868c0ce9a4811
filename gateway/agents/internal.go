package agents

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// call is one request of a worker, for one of its agents.
type call struct {
	protocol.InternalCall
	principal access.Principal
	scope     protocol.Scope
	room      int // what the call has of Env.Memory
}

// answer is a status with its body, as upstream has them.
type answer struct {
	status    int
	body      []byte
	changeSet string // of a write that was made
}

// sentence is the body of upstream's refusals.
func sentence(status int, text string) *answer {
	body, _ := json.Marshal(failure{Error: text}) // cannot fail
	return &answer{status: status, body: body}
}

// failed is sentence for those of upstream's refusals that say so.
func failed(status int, text string, code protocol.Code) *answer {
	no := false
	body, _ := json.Marshal(failure{Success: &no, Error: text, Code: code}) // cannot fail
	return &answer{status: status, body: body}
}

type failure struct {
	Success *bool         `json:"success,omitempty"`
	Error   string        `json:"error"`
	Code    protocol.Code `json:"code,omitempty"`
}

// refuse is an error of the gateway. Workers show their agents the sentence alone.
func refuse(e *protocol.Error) *answer { return failed(e.Code.Info().HTTP, e.Message, e.Code) }

// internal checks a worker's token, reads the body, and has the call served.
func (d *Door) internal(serve func(context.Context, *call) *answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := d.admit(r)
		if a == nil {
			a = d.serveInternal(w, r, serve)
		}
		d.writeAnswer(w, r, a)
	}
}

// writeAnswer answers a worker.
func (d *Door) writeAnswer(w http.ResponseWriter, r *http.Request, a *answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.changeSet != "" {
		h.Set("Second-Change-Set", a.changeSet)
	}
	if a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(a.status)
	out := d.Env.ResponseBody(r.Context(), w)
	if a.body != nil { // a worker that has gone does not miss it
		_ = out.Write(append(a.body, '\n'))
	}
	_ = out.Close()
}

func (d *Door) admit(r *http.Request) *answer {
	if d.Token == "" {
		if d.Open {
			return nil
		}
		return sentence(http.StatusInternalServerError, "server misconfigured: INTERNAL_API_TOKEN not set")
	}
	sent, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !is || subtle.ConstantTimeCompare([]byte(sent), []byte(d.Token)) != 1 {
		return sentence(http.StatusUnauthorized, "unauthorized")
	}
	return nil
}

func (d *Door) serveInternal(
	w http.ResponseWriter, r *http.Request, serve func(context.Context, *call) *answer,
) *answer {
	body, room, refused := d.Env.TakeBody(w, r)
	c := &call{room: room}
	defer func() { d.Env.Memory.Release(c.room) }()
	if refused != nil {
		return refuse(refused)
	}
	var err error
	refused = d.Env.Parse(r.Context(), body, func(body []byte) { c.InternalCall, err = protocol.DecodeInternal(body) })
	switch {
	case refused != nil:
		return refuse(refused)
	case protocol.CodeOf(err) == protocol.CodeInvalidJSON:
		return failed(http.StatusBadRequest, "Invalid JSON body", protocol.CodeInvalidJSON)
	case err != nil:
		return refuse(store.ClientError(err))
	}
	key, refused := door.IdempotencyKey(r)
	if refused != nil {
		return refuse(refused)
	}
	c.MutationID = cmp.Or(key, c.MutationID)
	return serve(r.Context(), c)
}

// identify finds the app and asks for the agent's rights. A name that is no operation is refused
// later.
func (d *Door) identify(ctx context.Context, c *call, op access.Operation) *answer {
	var err error
	c.scope, err = protocol.ParseScope(c.WorkspaceID, c.AppID, c.SourceVersion)
	if err != nil || c.scope.Workspace != c.WorkspaceID { // ids are exact here
		return refuse(approvals.ErrNoApp)
	}
	agent := strings.TrimSpace(c.AgentID)
	c.principal = access.Principal{
		ID: "agent:" + agent, Name: agent, Actor: backends.Actor{Kind: "agent", ID: agent},
		Agent: d.Approvals.Agent(agent), ChangeSet: c.changeSet(),
	}
	refused := unavailable(ctx, func(ctx context.Context) *protocol.Error {
		grant, refused := c.principal.Agent.Grant(ctx, c.scope)
		if refused != nil {
			return refused
		}
		return grant.Allows(access.Use{Collection: c.Collection, Operation: op})
	})
	if refused != nil {
		return refuse(refused)
	}
	return nil
}

func unavailable(ctx context.Context, attempt func(context.Context) *protocol.Error) *protocol.Error {
	return retry.Unavailable(ctx, store.RequestTime, attempt)
}

// changeSet is what the call's writes belong to: its run, or the call alone.
func (c *call) changeSet() string {
	if c.RunID != "" {
		return c.RunID
	}
	return protocol.NewID(time.Now())
}

// take has the call hold n bytes more of Env.Memory.
func (d *Door) take(ctx context.Context, c *call, n int) *protocol.Error {
	room, refused := door.Room(ctx, d.Env.Memory, n)
	c.room += room
	return refused
}
