package ws

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/gateway/sender"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// Features are the abilities beyond version 1 that welcome always announces.
var Features = []string{"query", byFeature}

// byFeature is that changes say who made them, to clients whose URL names it among features.
const byFeature = "by"

// opening is what a socket's URL asks for, and whose it is.
type opening struct {
	principal access.Principal
	scope     protocol.Scope
	all       bool
	form      hub.Form
	cursor    string
	client    audit.Client
	place     *door.Place
}

// handler serves the door in an Env.
type handler struct {
	env  *door.Env
	runs *runs.Runs
}

// Routes adds GET …/data/socket, which upgrades and begins one session. Runs are nil where a web
// app keeps them.
func Routes(r chi.Router, env *door.Env, agents *runs.Runs) {
	r.Get(door.DataPath+"/socket", handler{env, agents}.serve)
}

func (h handler) serve(w http.ResponseWriter, r *http.Request) {
	o, refused := h.parse(r)
	if refused == nil {
		o.place, refused = h.env.Quotas.Enter(r, o.principal)
	}
	if refused != nil {
		h.env.Refuse(w, refused)
		return
	}
	if !h.begin(w, r, o) {
		o.place.Leave()
	}
}

// begin upgrades and has a session run. It returns false if none does.
func (h handler) begin(w http.ResponseWriter, r *http.Request, o opening) bool {
	from, reset, refused := h.resumable(r.Context(), o)
	if refused != nil {
		h.env.Refuse(w, refused)
		return false
	}
	if h.env.Registry.Stopping() {
		h.env.Refuse(w, protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping: connect again"))
		return false
	}
	conn, err := socket.Accept(w, r, socket.Options{
		Subprotocol: protocol.Subprotocol, ReadLimit: int64(h.env.Limits.FrameBytes), Stall: h.env.Stall,
		Compression: h.env.CompressSockets, Plain: h.env.PlainSockets,
	})
	if err != nil {
		return false // Accept has answered
	}
	s, refused := h.open(conn, o, from, reset)
	if refused != nil {
		_ = conn.Close(refused.Code.Info().Close, refused.Message)
		conn.CloseNow()
		return false
	}
	if !h.env.Registry.Admit(metrics.Socket, s) {
		s.guard.Stop()
		s.sub.Close()
		_ = conn.Close(socket.GoingAway, "the gateway is stopping: connect again")
		conn.CloseNow()
		return false
	}
	// The registry waits for it. A handler that stayed would keep net/http's buffers, and a stack as
	// deep as the handshake's.
	go func() {
		defer h.env.Registry.Dismiss(metrics.Socket, s)
		defer o.place.Leave()
		s.run()
	}()
	return true
}

// open makes the session and queues the messages that it begins with. Nothing is sent before its
// Sender starts.
func (h handler) open(
	conn *socket.Conn, o opening, from backends.Cursor, reset string,
) (*Session, *protocol.Error) {
	s := &Session{
		env:    h.env,
		runs:   h.runs,
		conn:   conn,
		id:     rand.Text(),
		scope:  o.scope,
		form:   o.form,
		client: o.client,
		place:  o.place,
	}
	if conn.TakesCompressed() {
		s.form += hub.Compressed
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cond.L = &s.mu
	var shard *hub.Shard
	if conn.CanTry() {
		shard = h.env.Shards.Assign()
	}
	s.sender = sender.New(s, shard)
	follow := store.Follow{From: from, All: o.all, Shard: shard}
	sub, refused := h.env.Store.Follow(s.ctx, o.principal, o.scope, s.sender, follow)
	if refused != nil {
		s.cancel()
		return nil, refused
	}
	s.sub = sub
	s.guard = access.NewGuard(h.env.Mode, o.principal, o.scope)
	s.guard.Start(s.lapse)
	if from != nil {
		reset = s.resume()
	}
	s.welcome(from != nil && reset == "")
	switch {
	case reset != "":
		h.env.Metrics.Reset(reset)
		s.push(protocol.AppendReset(nil, reset, s.spread()))
	case from != nil:
		s.awaited = append(s.awaited, from)
	}
	return s, nil
}

func (h handler) parse(r *http.Request) (opening, *protocol.Error) {
	query := r.URL.Query()
	o := opening{all: true, cursor: query.Get("cursor"), form: formOf(query.Get("features"))}
	var refused *protocol.Error
	if o.principal, o.scope, refused = h.env.IdentifyFollower(r, query); refused != nil {
		return o, refused
	}
	o.client = h.env.Client(r)
	switch query.Get("changes") {
	case "", "all":
	case "none":
		o.all = false
	default:
		return o, protocol.Errorf(protocol.CodeInvalidMessage, "changes must be all or none")
	}
	if !o.all && o.cursor != "" {
		return o, protocol.Errorf(protocol.CodeInvalidMessage,
			"cursor resumes changes=all; with changes=none give it to subscribe")
	}
	return o, checkSubprotocol(r)
}

// formOf is the form of changes that a client asks for, by the names of features. It may name some
// that this gateway does not have.
func formOf(features string) hub.Form {
	if slices.Contains(strings.Split(features, ","), byFeature) {
		return hub.FrameBy
	}
	return hub.Frame
}

// checkSubprotocol takes a client that names no subprotocol. One that names only others is a client
// of something else.
func checkSubprotocol(r *http.Request) *protocol.Error {
	header := strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ",")
	offered := strings.FieldsFunc(header, func(c rune) bool { return c == ',' || c == ' ' })
	if len(offered) > 0 && !slices.Contains(offered, protocol.Subprotocol) {
		return protocol.Errorf(protocol.CodeInvalidMessage,
			"this gateway speaks the subprotocol %s", protocol.Subprotocol)
	}
	return nil
}

// resumable reads the client's cursor. A cursor that cannot be resumed is a reset, never an error.
func (h handler) resumable(
	ctx context.Context, o opening,
) (from backends.Cursor, reset string, refused *protocol.Error) {
	if o.cursor == "" {
		return nil, "", nil
	}
	from, err := h.env.Store.Cursor(ctx, o.principal, o.scope, o.cursor)
	switch {
	case errors.Is(err, backends.ErrCursor):
		return nil, protocol.ResetExpired, nil
	case err != nil:
		h.env.Log.Warn("a cursor could not be checked", "error", err)
		return nil, "", protocol.Errorf(protocol.CodeUnavailable,
			"the database is away for the moment: connect again")
	}
	return from, "", nil
}

// resume catches up from the client's cursor before welcome, which says whether that worked. It
// returns the reason of a reset if it did not.
func (s *Session) resume() (reset string) {
	from, behind := s.sub.Behind()
	if !behind {
		return ""
	}
	ctx, cancel := context.WithTimeout(s.ctx, store.RequestTime)
	defer cancel()
	c, err := s.env.Store.RetryCatchUp(ctx, s.guard.Principal(), s.sub, from)
	if err != nil {
		c = s.sub.BeginCatchUp()
		c.Reset = protocol.ResetLost // not knowing is as good as lost
	}
	s.sub.CaughtUp(c)
	return s.sub.TakeReset()
}

func (s *Session) welcome(resumed bool) {
	w := protocol.Welcome{
		ConnectionID: s.id, Resumed: resumed, HeartbeatMS: int(s.env.Heartbeat.Milliseconds()),
		Limits: s.env.Limits, Features: Features, Identity: s.guard.Identity(),
	}
	if s.runs != nil {
		w.Features = append(slices.Clone(Features), agentsFeature)
	}
	s.push(w.Append(nil))
}
