package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// Features are the abilities beyond version 1's own that welcome announces.
var Features = []string{}

// opening is what a socket's URL asks for.
type opening struct {
	scope  protocol.Scope
	all    bool
	cursor string
}

// serveSocket is GET …/data/socket: it upgrades and begins one session, which outlives it.
func (g *Gateway) serveSocket(w http.ResponseWriter, r *http.Request) {
	o, refused := parseOpening(r)
	if refused != nil {
		g.refuse(w, refused)
		return
	}
	from, reset, refused := g.resumable(r.Context(), o)
	if refused != nil {
		g.refuse(w, refused)
		return
	}
	if g.isStopping() {
		g.refuse(w, protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping: connect again"))
		return
	}
	conn, err := socket.Accept(w, r, socket.Options{
		Subprotocol: protocol.Subprotocol, ReadLimit: int64(g.config.Limits.FrameBytes), Stall: g.config.Stall,
		Plain: g.config.PlainSockets,
	})
	if err != nil {
		return // Accept has answered
	}
	s := g.open(conn, o, from, reset)
	if !g.admit(s) {
		s.sub.Close()
		_ = conn.Close(socket.GoingAway, "the gateway is stopping: connect again")
		conn.CloseNow()
		return
	}
	// Shutdown waits for it. A handler that stayed would keep net/http's buffers, and a stack as deep as the handshake's.
	go func() {
		defer g.dismiss(s)
		s.run()
	}()
}

// open makes the session and queues the messages that it begins with.
func (g *Gateway) open(conn *socket.Conn, o opening, from backends.Cursor, reset string) *Session {
	s := &Session{gateway: g, conn: conn, id: newConnectionID(), scope: o.scope, principal: Anonymous}
	s.draining = true // the hub wakes whoever follows: until run, there is no drain to start, and none may be
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cond.L = &s.mu
	if conn.CanTry() {
		s.shard = g.shards.assign()
	}
	s.sub = g.hub.Follow(o.scope, from, o.all, s, s.shard)
	if from != nil {
		reset = s.resume()
	}
	s.welcome(from != nil && reset == "")
	switch {
	case reset != "":
		g.config.Metrics.reset(reset)
		s.push(protocol.AppendReset(nil, reset, s.spread()))
	case from != nil:
		s.awaited = append(s.awaited, from)
	}
	return s
}

func parseOpening(r *http.Request) (opening, *protocol.Error) {
	query := r.URL.Query()
	scope, err := protocol.ParseScope(chi.URLParam(r, "workspace"), chi.URLParam(r, "app"), query.Get("version"))
	o := opening{scope: scope, all: true, cursor: query.Get("cursor")}
	var e *protocol.Error
	if errors.As(err, &e) {
		return o, e
	}
	switch query.Get("changes") {
	case "", "all":
	case "none":
		o.all = false
	default:
		return o, protocol.Errorf(protocol.CodeInvalidMessage, "changes must be all or none")
	}
	if !o.all && o.cursor != "" {
		return o, protocol.Errorf(protocol.CodeInvalidMessage, "cursor resumes changes=all; with changes=none give it to subscribe")
	}
	return o, checkSubprotocol(r)
}

// checkSubprotocol: naming none is fine, naming only others is a client of something else.
func checkSubprotocol(r *http.Request) *protocol.Error {
	offered := strings.FieldsFunc(strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ","), func(c rune) bool { return c == ',' || c == ' ' })
	if len(offered) > 0 && !slices.Contains(offered, protocol.Subprotocol) {
		return protocol.Errorf(protocol.CodeInvalidMessage, "this gateway speaks the subprotocol %s", protocol.Subprotocol)
	}
	return nil
}

// resumable reads the client's cursor. One that cannot be resumed is a reset, never an error.
func (g *Gateway) resumable(ctx context.Context, o opening) (from backends.Cursor, reset string, failed *protocol.Error) {
	if o.cursor == "" {
		return nil, "", nil
	}
	from, err := g.hub.DecodeCursor(ctx, o.scope, o.cursor)
	switch {
	case errors.Is(err, backends.ErrCursor):
		return nil, ResetExpired, nil
	case err != nil:
		g.config.Log.Warn("a cursor could not be checked", "error", err)
		return nil, "", protocol.Errorf(protocol.CodeUnavailable, "the database is away for the moment: connect again")
	}
	return from, "", nil
}

// resume catches up from the client's cursor before welcome, which says whether that worked: the answer is the
// reason of a reset if it did not.
func (s *Session) resume() (reset string) {
	from, behind := s.sub.Position()
	if !behind {
		return ""
	}
	ctx, cancel := context.WithTimeout(s.ctx, requestTime)
	defer cancel()
	c, err := s.sub.catchUpPatiently(ctx, from)
	if err != nil {
		c = caught{next: s.sub.logEnd(), reset: ResetLost} // not knowing is as good as lost
	}
	s.sub.CaughtUp(c)
	return s.sub.takeReset()
}

func (s *Session) welcome(resumed bool) {
	w := protocol.Welcome{
		ConnectionID: s.id, Resumed: resumed, HeartbeatMS: int(s.gateway.config.Heartbeat.Milliseconds()),
		Limits: s.gateway.config.Limits, Features: Features,
	}
	s.push(w.Append(nil))
}
