package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// replayPage is about how much of a replay is read at once, in bytes of documents, each of which is told twice.
	replayPage = 32 << 10
	// keptPages bounds the pages that a scope's replay keeps for those who are a little behind, in bytes. Who is
	// further behind reads pages of its own.
	keptPages = 4 << 20
	// joinTime is how long others may join a replay.
	joinTime = 2 * time.Second
	// maxGone bounds the documents that are told to be gone. Who has that many to forget reloads at some time.
	maxGone = 100_000
)

// replays are the replays under way, one per scope that can be joined.
type replays struct {
	hub *Hub
	mu  sync.Mutex
	of  map[protocol.Scope]*replay
}

// replay is every document of a scope, read page by page for all streams that wait for it. No page is older than
// start: pages of different times together with the changes since start give the scope as it is.
type replay struct {
	hub   *Hub
	scope protocol.Scope
	start backends.Cursor
	made  time.Time
	users int // under replays.mu

	reading chan struct{} // held by the one that reads; guards the fields below
	names   []string
	named   bool
	pages   map[pageKey]*replayPageText
	order   []pageKey
	bytes   int
}

type pageKey struct {
	collection, after string
	rev               bool
}

type replayPageText struct {
	text   []byte
	next   string
	cursor backends.Cursor
}

// start is the snapshot that a stream which will be reset should follow from: that of a replay which it can join.
func (r *replays) start(s protocol.Scope) backends.Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.of[s]; p != nil && time.Since(p.made) < joinTime {
		return p.start
	}
	return r.hub.Cursor()
}

// join returns a replay whose pages have reached need; the caller leaves it.
func (r *replays) join(s protocol.Scope, need backends.Cursor) *replay {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.of[s]
	if p == nil || !p.start.Reached(need) {
		p = &replay{
			hub: r.hub, scope: s, start: need, made: time.Now(),
			reading: make(chan struct{}, 1), pages: map[pageKey]*replayPageText{},
		}
		if r.of == nil {
			r.of = map[protocol.Scope]*replay{}
		}
		r.of[s] = p
	}
	p.users++
	return p
}

func (r *replays) leave(p *replay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.users--; p.users == 0 && r.of[p.scope] == p {
		delete(r.of, p.scope)
	}
}

// each tells every page, and returns a snapshot that has reached them all.
func (p *replay) each(ctx context.Context, rev bool, tell func(text []byte) error) (backends.Cursor, error) {
	at := p.start
	names, err := p.collections(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		key := pageKey{collection: name, rev: rev}
		for first := true; first || key.after != ""; first = false {
			page, err := p.page(ctx, key)
			if err != nil {
				return nil, err
			}
			if err := tell(page.text); err != nil {
				return nil, err
			}
			if page.cursor.Reached(at) {
				at = page.cursor
			}
			key.after = page.next
		}
	}
	return at, nil
}

// exclusive waits for the turn to read.
func (p *replay) exclusive(ctx context.Context) (release func(), err error) {
	select {
	case p.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return func() { <-p.reading }, nil
}

// collections are the names of the scope's collections, read once.
func (p *replay) collections(ctx context.Context) ([]string, error) {
	release, err := p.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if p.named {
		return p.names, nil
	}
	err = p.retry(ctx, func(ctx context.Context) error {
		counts, err := p.hub.backend.Collections(ctx, p.scope, p.start)
		p.names = p.names[:0]
		for name := range counts {
			p.names = append(p.names, name)
		}
		return err
	})
	slices.Sort(p.names)
	p.named = err == nil
	return p.names, err
}

// page is one page, read unless somebody has of late.
func (p *replay) page(ctx context.Context, key pageKey) (*replayPageText, error) {
	release, err := p.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if page := p.pages[key]; page != nil {
		return page, nil
	}
	var read backends.Page
	err = p.retry(ctx, func(ctx context.Context) (err error) {
		read, err = p.hub.backend.List(ctx, p.scope, backends.Query{
			Collection: key.collection, After: key.after, MaxBytes: replayPage, NotBefore: p.start,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	p.hub.tell(read.Cursor)
	page := &replayPageText{next: read.Next, cursor: read.Cursor}
	for i := range read.Docs {
		page.text = appendState(page.text, key.collection, read.Docs[i].ID, &read.Docs[i], key.rev)
	}
	p.keep(key, page)
	return page, nil
}

func (p *replay) keep(key pageKey, page *replayPageText) {
	p.pages[key] = page
	p.order = append(p.order, key)
	p.bytes += len(page.text)
	for p.bytes > keptPages && len(p.order) > 1 {
		oldest := p.order[0]
		p.order = p.order[1:]
		p.bytes -= len(p.pages[oldest].text)
		delete(p.pages, oldest)
	}
}

// retry repeats a read that fails for a passing reason, for as long as a request may take. At most a few run at once,
// over all scopes, catch-ups included.
func (p *replay) retry(ctx context.Context, read func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	select {
	case p.hub.slots <- struct{}{}:
		defer func() { <-p.hub.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := read(ctx)
		if err == nil || protocol.CodeOf(err) != protocol.CodeUnavailable || !pause(ctx, wait) {
			return err
		}
	}
}

var errLeaving = errors.New("the gateway is stopping")

// replay voids every copy and tells all documents again, for clients that know no reset. Until the last of them the
// client holds an id that is reset again; false when the stream is over.
func (s *Stream) replay(ctx context.Context) bool {
	s.gateway.config.Metrics.reset(s.reason)
	s.gateway.config.Log.Debug("a stream is reset", "scope", s.scope.String(), "reason", s.reason)
	p := s.gateway.replays.join(s.scope, s.sub.Sent())
	defer s.gateway.replays.leave(p)
	if !s.tell(protocol.AppendEventReset(nil, s.reason)) {
		return false
	}
	at, err := p.each(ctx, s.rev, func(text []byte) error {
		if s.isLeaving() {
			return errLeaving
		}
		if err := s.out.write(text); err != nil {
			return err
		}
		return s.out.flush()
	})
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errLeaving) {
			s.gateway.config.Log.Warn("a stream could not be told all documents", "error", err)
		}
		return false
	}
	s.awaited, s.owed = s.tellGone(ctx, at), true
	s.reason, s.last = "", p.start
	return true
}

// tellGone tells what was deleted since the client's last cursor, or, if that cannot be used, what was deleted as far as
// the history goes back. It returns a snapshot that has reached all that was told.
func (s *Stream) tellGone(ctx context.Context, at backends.Cursor) backends.Cursor {
	gone, cursor, err := s.gone(ctx)
	if err != nil {
		s.gateway.config.Log.Warn("a stream could not be told what is gone", "scope", s.scope.String(), "error", err)
		return at
	}
	var buffer []byte
	for _, r := range gone {
		buffer = appendState(buffer[:0], r.Collection, r.ID, nil, s.rev)
		if s.out.write(buffer) != nil {
			return at
		}
	}
	if cursor.Reached(at) {
		return cursor
	}
	return at
}

func (s *Stream) gone(ctx context.Context) ([]protocol.Ref, backends.Cursor, error) {
	release, err := s.gateway.hub.admit(ctx, s.sub.log)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	backend := s.gateway.hub.backend
	gone, at, err := backend.Gone(ctx, s.scope, s.last, maxGone)
	if s.last != nil && errors.Is(err, backends.ErrCursor) {
		gone, at, err = backend.Gone(ctx, s.scope, nil, maxGone)
	}
	if err == nil {
		s.gateway.hub.tell(at)
	}
	return gone, at, err
}
