package ws

import (
	"context"
	"time"

	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// closeTime is how long a peer may take to take what it was answered before its rights ended.
const closeTime = 3 * time.Second

// refresh takes another credential of the connection's user.
func (s *Session) refresh(ctx context.Context, r *protocol.Request) {
	renewed, refused := s.guard.Renew(ctx, r.Token)
	s.answer(&protocol.Answer{Request: r, ExpiresAt: renewed.Expires, Err: refused})
}

// lapse ends the session because its principal may not follow the scope any more. Answers that are queued go
// out, requests that are queued are refused, and no change goes out. Then comes the close.
func (s *Session) lapse(refused *protocol.Error) {
	s.env.Metrics.Failed(refused)
	s.mu.Lock()
	s.refused = refused
	if !s.ended {
		s.cut = time.AfterFunc(closeTime, s.Cut)
	}
	s.mu.Unlock()
	s.sender.Wake()
}

// closeCode says why the gateway ends the connection.
func (s *Session) closeCode() (code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil {
		return s.refused.Code.Info().Close, s.refused.Message
	}
	return socket.GoingAway, "the gateway is stopping: connect again"
}
