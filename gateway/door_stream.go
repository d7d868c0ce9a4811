package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// serveStream is GET …/data/stream: Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// EventSource never tries again after a status other than 200, so only what is wrong for good has one. A passing
// fault ends the stream, and a cursor that cannot be used is a reset.
func (g *Gateway) serveStream(w http.ResponseWriter, r *http.Request) {
	query, malformed := url.ParseQuery(r.URL.RawQuery)
	scope, refused := pathScope(r, query)
	if refused == nil && r.ContentLength != 0 {
		refused = protocol.Errorf(protocol.CodeInvalidMessage, "GET takes no body")
	}
	if refused != nil {
		g.refuse(w, refused)
		return
	}
	text := resumeText(r, query)
	if text == "" && malformed != nil {
		text = protocol.ResetEventID // the cursor may be what was malformed
	}
	s := &Stream{gateway: g, scope: scope, rev: wantsRev(query)}
	streamHeader(w.Header())
	if !g.config.PlainSockets {
		if response := socket.Respond(w, r, g.config.Stall); response != nil {
			g.serveDirect(s, response, text)
			return
		}
	}
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	s.ctx, s.cancel, s.out, s.woken = ctx, cancel, g.newOut(ctx, w), make(chan struct{}, 1)
	defer cancel()
	if !g.admitStream(s) {
		s.leave()
		return
	}
	defer g.dismissStream(s)
	s.run(text)
}

// resumeText is the cursor that the client holds. EventSource keeps the URL it began with, so what it has heard
// since goes before what the URL says.
func resumeText(r *http.Request, query url.Values) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return query.Get("cursor")
}

func streamHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx
	h.Set("X-Content-Type-Options", "nosniff")
}

// open follows the scope from where the client is, and only then says so: what is committed after the first line
// comes. It is false when the place cannot be told for a passing reason, or the peer has gone.
func (s *Stream) open(text string) bool {
	hub := s.gateway.hub
	opening := text
	var from backends.Cursor
	switch {
	case text == "":
		s.recent, from = true, hub.Recently()
		opening = protocol.EncodeCursor(s.scope, from.Append(nil))
	default:
		decoded, err := hub.DecodeCursor(s.ctx, s.scope, text)
		switch {
		case errors.Is(err, backends.ErrCursor):
			s.reason, from = ResetExpired, s.gateway.replays.start(s.scope)
			opening = protocol.ResetEventID
		case err != nil:
			s.gateway.config.Log.Warn("a cursor could not be checked", "error", err)
			return false
		default:
			from, s.last = decoded, decoded
		}
	}
	s.sub = hub.Follow(s.scope, from, true, s, s.shard)
	return s.tell([]byte("retry: 1000\n"), protocol.AppendEventID(nil, opening)) && s.out.flush() == nil
}

func (g *Gateway) admitStream(s *Stream) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return false
	}
	g.streams[s] = struct{}{}
	g.config.Metrics.connected(doorStream, 1)
	g.ended.Add(1)
	return true
}

func (g *Gateway) dismissStream(s *Stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, s)
	g.config.Metrics.connected(doorStream, -1)
	g.ended.Done()
}
