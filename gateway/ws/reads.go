package ws

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// hold keeps the connection's changes back while a read runs. It returns what the answer must not
// be older than.
func (s *Session) hold() store.Read {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding++
	return store.Read{NotBefore: s.sub.Sent(), MaxBytes: s.page}
}

// release queues the answer of a read, made at a cursor (nil: it failed), and lets the changes go
// on behind it.
func (s *Session) release(a *protocol.Answer, at backends.Cursor, follow func()) {
	s.env.Metrics.Failed(a.Err)
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
	a, at := s.env.Store.List(ctx, s.guard.Principal(), s.scope, r, s.hold())
	s.release(&a, at, func() {})
}

func (s *Session) doc(ctx context.Context, r *protocol.Request) {
	a, at := s.env.Store.Doc(ctx, s.guard.Principal(), s.scope, r, s.hold())
	s.release(&a, at, func() {})
}

func (s *Session) query(ctx context.Context, r *protocol.Request) {
	a, at := s.env.Store.Query(ctx, s.guard.Principal(), s.scope, r, s.hold())
	s.release(&a, at, func() {})
}

// subscribe follows a collection or a document, from now on or from a cursor that the client holds.
func (s *Session) subscribe(ctx context.Context, r *protocol.Request) {
	if s.sub.FollowsAll() {
		s.answer(&protocol.Answer{Request: r, Err: protocol.Errorf(protocol.CodeInvalidMessage,
			"this connection follows the whole scope already: connect with changes=none to subscribe")})
		return
	}
	if s.sub.Followed() >= hub.MaxFollowed { // only this goroutine changes it
		s.answer(&protocol.Answer{Request: r, Err: protocol.Errorf(protocol.CodeTooLarge,
			"a connection follows at most %d collections and documents: unsubscribe from some", hub.MaxFollowed)})
		return
	}
	if r.Cursor == "" || !s.resubscribe(ctx, r) {
		s.subscribeAnew(ctx, r)
	}
}

// resubscribe answers with the changes since the client's cursor. It returns false if they cannot
// be had.
func (s *Session) resubscribe(ctx context.Context, r *protocol.Request) bool {
	from, err := s.env.Store.Cursor(ctx, s.guard.Principal(), s.scope, r.Cursor)
	if err != nil {
		return false
	}
	s.hold()
	c, err := s.env.Store.CatchUp(ctx, s.guard.Principal(), s.sub, from)
	if err != nil || c.Reset != "" {
		s.mu.Lock()
		s.holding--
		s.mu.Unlock()
		return false
	}
	s.release(&protocol.Answer{Request: r, Resumed: true}, c.Cursor, func() {
		s.listen(r)
		for _, change := range c.Changes {
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
	a, at := s.subscribed(ctx, r, s.hold())
	s.release(&a, at, func() { s.listen(r) })
}

// listen follows what a subscribe names. The caller holds mu.
func (s *Session) listen(r *protocol.Request) {
	before := s.sub.Followed()
	s.sub.Listen(r.Collection, r.DocID)
	s.account((s.sub.Followed() - before) * followCost(r))
}

func followCost(r *protocol.Request) int { return followBytes + len(r.Collection) + len(r.DocID) }

// subscribed reads what a subscribe without a cursor answers with: a page of the collection, or one
// document.
func (s *Session) subscribed(
	ctx context.Context, r *protocol.Request, bounds store.Read,
) (protocol.Answer, backends.Cursor) {
	if r.DocID == "" {
		return s.env.Store.List(ctx, s.guard.Principal(), s.scope, r, bounds)
	}
	a, at := s.env.Store.Doc(ctx, s.guard.Principal(), s.scope, r, bounds)
	if a.Doc != nil {
		a.Docs, a.Doc = []protocol.Document{*a.Doc}, nil
	}
	return a, at
}

func (s *Session) unsubscribe(r *protocol.Request) {
	a := protocol.Answer{Request: r}
	if s.sub.FollowsAll() {
		a.Err = protocol.Errorf(protocol.CodeInvalidMessage,
			"this connection follows the whole scope: there is nothing to unsubscribe")
	}
	s.env.Metrics.Failed(a.Err)
	message := a.Append(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Err == nil {
		before := s.sub.Followed()
		s.sub.Unlisten(r.Collection, r.DocID)
		s.account((s.sub.Followed() - before) * followCost(r))
	}
	s.pushAnswer(message)
}
