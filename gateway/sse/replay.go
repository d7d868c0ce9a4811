package sse

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// beginReplay voids every copy and has all documents sent again, for clients that know no reset.
// Until the last of them the client holds an id that is reset again.
func (s *Stream) beginReplay() error {
	s.env.Metrics.Reset(s.reason)
	s.env.Log.Debug("a stream is reset", "scope", s.scope.String(), "reason", s.reason)
	s.dropPast()
	s.past = newPast(s.env.StreamPace)
	r := s.replays.join(s.scope, s.sub.Sent())
	s.past.pages = &walk{replay: r, key: pageKey{rev: s.rev}, at: r.start}
	if err := s.body.Write(protocol.AppendEventReset(nil, s.reason)); err != nil {
		return err
	}
	s.reason = ""
	names, err := r.collections(s.ctx, s.guard.Principal())
	if err != nil {
		return s.cannotReplay(err)
	}
	s.past.pages.names = names
	return s.body.Rest()
}

// sendPage sends the next page, and what is gone behind the last one.
func (s *Stream) sendPage() error {
	w := s.past.pages
	page, err := w.next(s.ctx, s, s.sub.Sent())
	switch {
	case err != nil:
		return s.cannotReplay(err)
	case page != nil:
		s.past.sent(page.docs)
		if err := s.body.Write(page.text); err != nil {
			return err
		}
		return s.body.Rest()
	}
	s.awaited, s.owed = s.sendGone(w.at), true
	s.last = w.replay.start
	s.dropPast()
	return s.body.Rest()
}

func (s *Stream) cannotReplay(err error) error {
	if s.ctx.Err() == nil {
		s.env.Log.Warn("a stream could not be sent all documents", "error", err)
	}
	return errLeave
}

// sendGone sends what was deleted since the client's last cursor, or, if that cannot be used, what
// was deleted as far as the history goes back. It returns a snapshot that has reached everything
// that was sent.
func (s *Stream) sendGone(at backends.Cursor) backends.Cursor {
	gone, cursor, err := s.env.Store.Gone(s.ctx, s.guard.Principal(), s.sub, s.last)
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
