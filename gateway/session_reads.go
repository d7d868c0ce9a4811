package gateway

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// hold keeps the connection's changes back while a read runs, and says what its answer must not be older than.
func (s *Session) hold() backends.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding++
	return s.sub.Sent()
}

// release sends the answer of a read, made at a cursor (nil: it failed), and lets the changes go on behind it.
func (s *Session) release(a *protocol.Answer, at backends.Cursor, follow func()) {
	s.gateway.config.Metrics.failed(a.Err)
	message := a.Append(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding--
	s.pushAnswer(message)
	if at != nil {
		s.awaited = append(s.awaited, at)
		s.sub.Answered(at)
		follow()
	}
}

func (s *Session) list(ctx context.Context, r *protocol.Request) {
	notBefore := s.hold()
	a, at := s.gateway.store.List(ctx, s.scope, r, notBefore, pageBytes)
	s.release(&a, at, func() {})
}

func (s *Session) doc(ctx context.Context, r *protocol.Request) {
	notBefore := s.hold()
	a, at := s.gateway.store.Doc(ctx, s.scope, r, notBefore)
	s.release(&a, at, func() {})
}

// subscribe follows a collection or a document from here on, or from a cursor that the client holds.
func (s *Session) subscribe(ctx context.Context, r *protocol.Request) {
	if s.sub.follow.all {
		s.answer(&protocol.Answer{Request: r, Err: protocol.Errorf(protocol.CodeInvalidMessage,
			"this connection follows the whole scope already: connect with changes=none to subscribe")})
		return
	}
	if s.sub.follow.count >= maxFollowed { // only this goroutine changes it
		s.answer(&protocol.Answer{Request: r, Err: protocol.Errorf(protocol.CodeTooLarge,
			"a connection follows at most %d collections and documents: unsubscribe from some", maxFollowed)})
		return
	}
	if r.Cursor == "" || !s.resubscribe(ctx, r) {
		s.subscribeAnew(ctx, r)
	}
}

// resubscribe answers with the changes since the client's cursor; false if they cannot be had.
func (s *Session) resubscribe(ctx context.Context, r *protocol.Request) bool {
	from, err := s.gateway.hub.DecodeCursor(ctx, s.scope, r.Cursor)
	if err != nil {
		return false
	}
	s.hold()
	c, err := s.sub.CatchUp(ctx, from)
	if err != nil || c.reset != "" {
		s.mu.Lock()
		s.holding--
		s.mu.Unlock()
		return false
	}
	s.release(&protocol.Answer{Request: r, Resumed: true}, c.cursor, func() {
		s.sub.Listen(r.Collection, r.DocID)
		for _, change := range c.changes {
			if change.Ref.Collection == r.Collection && (r.DocID == "" || r.DocID == change.Ref.ID) {
				s.push(change.JSON())
			}
		}
		s.dirty = true
	})
	return true
}

// subscribeAnew answers with the documents and follows them.
func (s *Session) subscribeAnew(ctx context.Context, r *protocol.Request) {
	notBefore := s.hold()
	a, at := s.subscribed(ctx, r, notBefore)
	s.release(&a, at, func() { s.sub.Listen(r.Collection, r.DocID) })
}

// subscribed reads what a subscribe without a cursor answers with: a page of the collection, or one document.
func (s *Session) subscribed(ctx context.Context, r *protocol.Request, notBefore backends.Cursor) (protocol.Answer, backends.Cursor) {
	if r.DocID == "" {
		return s.gateway.store.List(ctx, s.scope, r, notBefore, pageBytes)
	}
	a, at := s.gateway.store.Doc(ctx, s.scope, r, notBefore)
	if a.Doc != nil {
		a.Docs, a.Doc = []protocol.Document{*a.Doc}, nil
	}
	return a, at
}

func (s *Session) unsubscribe(r *protocol.Request) {
	a := protocol.Answer{Request: r}
	if s.sub.follow.all {
		a.Err = protocol.Errorf(protocol.CodeInvalidMessage, "this connection follows the whole scope: there is nothing to unsubscribe")
	}
	s.gateway.config.Metrics.failed(a.Err)
	message := a.Append(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Err == nil {
		s.sub.Unlisten(r.Collection, r.DocID)
	}
	s.pushAnswer(message)
}
