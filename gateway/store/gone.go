package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/protocol"
)

// maxGone bounds the documents that one client is told to forget.
const maxGone = 100_000

// errBehind: the database has read a snapshot from before what was handed out.
var errBehind = errors.New("the snapshot is behind the stream")

// Gone names the documents that were deleted since a client's cursor (nil, or one that cannot be
// used: as far as the history goes back). The snapshot it returns has reached all of that, and what
// the subscription has handed out: a document that came back meanwhile is not among them. Only the
// goroutine that owns the subscription may call it; the names are shared.
func (s *Store) Gone(
	ctx context.Context, p access.Principal, sub *hub.Subscription, since backends.Cursor,
) ([]protocol.Ref, backends.Cursor, error) {
	if refused := s.allow(ctx, p, sub.Scope(), access.Read); refused != nil {
		return nil, nil, refused
	}
	asked := time.Now()
	whole, leave := s.gone.join(sub.Scope())
	defer leave()
	release, err := s.turn(ctx, sub)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, RequestTime)
	defer cancel()
	var gone []protocol.Ref
	var at backends.Cursor
	behind := func(err error) bool { return err == errBehind }
	err = retry.Do(ctx, behind, func(ctx context.Context) (err error) {
		err = backends.ErrCursor
		if since != nil {
			gone, at, err = s.backend.Gone(ctx, sub.Scope(), since, maxGone)
		}
		if errors.Is(err, backends.ErrCursor) {
			gone, at, err = s.wholeGone(ctx, sub, whole, asked)
		}
		if err == nil && !at.Reached(sub.Sent()) {
			return errBehind
		}
		return err
	})
	if err == nil {
		s.hub.RaiseHighWater(at)
	}
	return gone, at, err
}

// wholeGone is what is gone in the whole history. After a loss of everything each stream of a scope
// wants it, and it takes as long as the history is: an answer that was begun after a stream asked, and
// has reached what the stream has told, is good for that stream too.
func (s *Store) wholeGone(
	ctx context.Context, sub *hub.Subscription, last *wholeGone, asked time.Time,
) ([]protocol.Ref, backends.Cursor, error) {
	if last.at != nil && last.begun.After(asked) && last.at.Reached(sub.Sent()) {
		return last.refs, last.at, nil
	}
	begun := time.Now()
	refs, at, err := s.backend.Gone(ctx, sub.Scope(), nil, maxGone)
	if err == nil {
		last.begun, last.refs, last.at = begun, refs, at
	}
	return refs, at, err
}

// wholeGone is the last answer in a scope. It is read and written in the scope's turn.
type wholeGone struct {
	begun  time.Time
	refs   []protocol.Ref
	at     backends.Cursor // nil: there is no answer
	asking int             // calls that may use it; goneReads guards it
}

// goneReads holds the last answer of each scope, for as long as calls wait that may use it.
type goneReads struct {
	mu     sync.Mutex
	scopes map[protocol.Scope]*wholeGone
}

func (g *goneReads) join(scope protocol.Scope) (last *wholeGone, leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last = g.scopes[scope]
	if last == nil {
		last = &wholeGone{}
		if g.scopes == nil {
			g.scopes = map[protocol.Scope]*wholeGone{}
		}
		g.scopes[scope] = last
	}
	last.asking++
	return last, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if last.asking--; last.asking == 0 {
			delete(g.scopes, scope)
		}
	}
}
