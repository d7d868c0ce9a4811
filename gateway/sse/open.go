package sse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/sender"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// handler serves the door in an Env.
type handler struct {
	env       *door.Env
	replays   *replays
	handovers *handovers
}

// Routes adds GET …/data/stream.
func Routes(r chi.Router, env *door.Env) {
	h := handler{env, &replays{store: env.Store}, newHandovers(env.Store)}
	r.Get(door.DataPath+"/stream", h.serve)
	r.Options(door.DataPath+"/stream", door.Preflight("GET, OPTIONS"))
}

// serve answers with a stream. EventSource never tries again after a status other than 200, so only
// what is wrong for good has one. A passing fault ends the stream, and a cursor that cannot be used
// is a reset.
func (h handler) serve(w http.ResponseWriter, r *http.Request) {
	s, refused := h.parse(r)
	if refused == nil {
		s.place, refused = h.env.Quotas.Enter(r, s.guard.Principal())
	}
	switch {
	case refused == nil:
	case refused.Code.Info().Retryable:
		h.env.Metrics.Failed(refused)
		comeBack(w, refused.RetryAfter)
		return
	default:
		h.env.Refuse(w, refused)
		return
	}
	streamHeader(w.Header())
	if h.env.CompressStreams {
		w.Header().Add("Vary", "Accept-Encoding")
		if takesGzip(r) {
			w.Header().Set("Content-Encoding", "gzip")
			s.gzip = &gzip{}
		}
	}
	if !h.env.PlainSockets {
		if response := socket.Respond(w, r, h.env.Stall); response != nil {
			h.serveDirect(s, response)
			return
		}
	}
	defer s.place.Leave()
	w.WriteHeader(http.StatusOK)
	s.ctx, s.cancel = context.WithCancel(r.Context())
	s.begin(h.env.ResponseSink(s.ctx, w))
	s.sender = sender.New(s, nil)
	defer s.cancel()
	if !h.env.Registry.Admit(metrics.Stream, s) {
		s.leave()
		return
	}
	defer h.env.Registry.Dismiss(metrics.Stream, s)
	s.serve(func() {
		select {
		case <-s.over:
		case <-s.ctx.Done():
			s.body.Cut()
		}
	})
}

// comeBack has EventSource try again, after a time at least: after any other status it never would.
func comeBack(w http.ResponseWriter, after time.Duration) {
	streamHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprintf(w, "retry: %d\n\n", max(door.RetryAfter(), int(after.Milliseconds())))
}

// serveDirect begins a stream that is written beside net/http and outlives its request. The
// registry waits for it.
func (h handler) serveDirect(s *Stream, response *socket.Response) {
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.begin(response)
	s.response = response
	s.sender = sender.New(s, h.env.Shards.Assign())
	if !h.env.Registry.Admit(metrics.Stream, s) {
		defer s.place.Leave()
		defer response.Cut()
		defer s.cancel()
		s.leave()
		return
	}
	go func() {
		defer h.env.Registry.Dismiss(metrics.Stream, s)
		defer s.place.Leave()
		s.serve(func() {
			response.Wait()
			response.Cut()
		})
	}()
}

// begin has the stream write to a sink.
func (s *Stream) begin(sink door.Sink) {
	if s.gzip != nil {
		s.gzip.Sink = sink
		sink = s.gzip
	}
	s.body = door.NewBody(s.ctx, sink)
}

func (h handler) parse(r *http.Request) (*Stream, *protocol.Error) {
	query, malformed := url.ParseQuery(r.URL.RawQuery)
	principal, scope, refused := h.env.IdentifyFollower(r, query)
	switch {
	case refused != nil:
		return nil, refused
	case r.ContentLength != 0:
		return nil, protocol.Errorf(protocol.CodeInvalidMessage, "GET takes no body")
	}
	s := &Stream{
		env: h.env, replays: h.replays, handovers: h.handovers, scope: scope,
		guard: access.NewGuard(h.env.Mode, principal, scope),
		rev:   door.WantsRev(query), cursor: resumeCursor(r, query), over: make(chan struct{}),
	}
	if s.cursor == "" && malformed != nil {
		s.cursor = protocol.ResetEventID // the cursor may be what was malformed
	}
	return s, nil
}

// resumeCursor is the cursor that the client holds. EventSource keeps the URL it began with, so
// what it has heard since goes before what the URL says.
func resumeCursor(r *http.Request, query url.Values) string {
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

// open follows the scope from where the client is, and only then says so: what is committed after
// the first line comes.
func (s *Stream) open() error {
	first := s.cursor
	var from backends.Cursor
	if s.cursor == "" {
		if from, s.recent = s.handovers.recent(s.scope); s.recent {
			first = protocol.EncodeCursor(s.scope, from.Append(nil))
		}
		s.untold = from
		if !s.recent { // its client may lack what was committed before the loss
			s.reason, from = protocol.ResetLost, s.replays.start(s.scope)
			first = protocol.ResetEventID
		}
	} else {
		decoded, err := s.env.Store.Cursor(s.ctx, s.guard.Principal(), s.scope, s.cursor)
		switch {
		case errors.Is(err, backends.ErrCursor):
			s.reason, from = protocol.ResetExpired, s.replays.start(s.scope)
			first = protocol.ResetEventID
		case err != nil:
			s.env.Log.Warn("a cursor could not be checked", "error", err)
			return errLeave
		default:
			from, s.last = decoded, decoded
		}
	}
	sub, refused := s.env.Store.Follow(s.ctx, s.guard.Principal(), s.scope, s.sender, store.Follow{
		From: from, All: true, Shard: s.sender.Shard(),
	})
	if refused != nil {
		return errLeave
	}
	s.sub, s.opened = sub, true
	return s.send([]byte("retry: 1000\n"), protocol.AppendEventID(nil, first))
}

// maxRecent is how many changes are reduced to their documents' latest states. More come as they
// are.
const maxRecent = 100_000

// takeRecent has the latest state of each document that changed in the last seconds sent. The client
// may just have taken over from another one, which had heard all but those.
func (s *Stream) takeRecent() error {
	s.recent = false
	var changes []*hub.Change
	for boundary := false; !boundary; {
		if _, behind := s.sub.Behind(); behind {
			if err := s.catchUp(); err != nil {
				return err
			}
		}
		d := s.sub.Take(hub.FrameBytes)
		if d.Reset != "" {
			s.reason = d.Reset
			return nil
		}
		changes = append(changes, d.Changes...)
		boundary = d.Boundary && (len(d.Changes) == 0 || len(changes) > maxRecent)
	}
	if last := latest(changes); len(last) > 0 {
		s.past = pastOf(last, s.env.StreamPace)
	}
	s.owed = true
	return nil
}
