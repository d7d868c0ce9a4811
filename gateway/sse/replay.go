package sse

import (
	"errors"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// replay voids every copy and sends all documents again, for clients that know no reset. Until the
// last of them the client holds an id that is reset again.
func (s *Stream) replay() error {
	s.env.Metrics.Reset(s.reason)
	s.env.Log.Debug("a stream is reset", "scope", s.scope.String(), "reason", s.reason)
	r := s.replays.join(s.scope, s.sub.Sent())
	defer s.replays.leave(r)
	if err := s.body.Write(protocol.AppendEventReset(nil, s.reason)); err != nil {
		return err
	}
	at, err := r.each(s.ctx, s.principal, s.rev, func(text []byte) error {
		if s.leaving.Load() {
			return errLeave
		}
		return errors.Join(s.body.Write(text), s.body.Flush())
	})
	if err != nil {
		if s.ctx.Err() == nil && !errors.Is(err, errLeave) {
			s.env.Log.Warn("a stream could not be sent all documents", "error", err)
		}
		return errLeave
	}
	s.awaited, s.owed = s.sendGone(at), true
	s.reason, s.last = "", r.start
	return s.body.Rest()
}

// sendGone sends what was deleted since the client's last cursor, or, if that cannot be used, what
// was deleted as far as the history goes back. It returns a snapshot that has reached everything
// that was sent.
func (s *Stream) sendGone(at backends.Cursor) backends.Cursor {
	gone, cursor, err := s.env.Store.Gone(s.ctx, s.principal, s.sub, s.last)
	if err != nil {
		s.env.Log.Warn("a stream could not be sent what is gone", "scope", s.scope.String(), "error", err)
		return at
	}
	var buffer []byte
	for _, r := range gone {
		buffer = protocol.AppendState(buffer[:0], r.Collection, r.ID, nil, s.rev)
		if s.body.Write(buffer) != nil {
			return at
		}
	}
	if cursor.Reached(at) {
		return cursor
	}
	return at
}
