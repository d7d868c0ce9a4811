package sse

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// replayPage is about how much of a replay is read at once, in bytes of documents. Each is sent
	// twice.
	replayPage = 32 << 10
	// pageDocs bounds the documents of a page: they are told at once, and live changes wait meanwhile.
	pageDocs = 250
	// keptPages bounds the pages that a replay keeps for streams that are a little behind, in bytes. A
	// stream that is further behind reads pages of its own.
	keptPages = 4 << 20
	// joinTime is how long other streams may join a replay.
	joinTime = 2 * time.Second
)

// replays are the replays under way, one per scope that can be joined.
type replays struct {
	store *store.Store
	mu    sync.Mutex
	open  map[protocol.Scope]*replay
}

// replay is every document of a scope, read page by page for all streams that wait for it. No page
// is older than start: pages of different times together with the changes since start give the
// scope as it is.
type replay struct {
	store *store.Store
	scope protocol.Scope
	start backends.Cursor
	made  time.Time
	users int // under replays.mu

	reading chan struct{} // held by the stream that reads; guards the fields below
	names   []string
	named   bool
	pages   map[pageKey]*page
	order   []pageKey
	bytes   int
}

type pageKey struct {
	collection, after string
	rev               bool
}

// page is the events of one page.
type page struct {
	text   []byte
	docs   int
	next   string
	cursor backends.Cursor
}

// start is the snapshot that a stream which will be reset should follow from: that of a replay
// which it can join. A replay of a database that was replaced since cannot be joined.
func (r *replays) start(s protocol.Scope) backends.Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.store.Now()
	if one := r.open[s]; one != nil && time.Since(one.made) < joinTime && now.Reached(one.start) {
		return one.start
	}
	return now
}

// join returns a replay whose pages have reached need. The caller leaves it.
func (r *replays) join(s protocol.Scope, need backends.Cursor) *replay {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.open[s]
	if one == nil || !one.start.Reached(need) {
		one = &replay{
			store: r.store, scope: s, start: need, made: time.Now(),
			reading: make(chan struct{}, 1), pages: map[pageKey]*page{},
		}
		if r.open == nil {
			r.open = map[protocol.Scope]*replay{}
		}
		r.open[s] = one
	}
	one.users++
	return one
}

func (r *replays) leave(one *replay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one.users--; one.users == 0 && r.open[one.scope] == one {
		delete(r.open, one.scope)
	}
}

// exclusive waits for the turn to read.
func (r *replay) exclusive(ctx context.Context) (release func(), err error) {
	select {
	case r.reading <- struct{}{}:
		return func() { <-r.reading }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// collections are the names of the scope's collections, read once.
func (r *replay) collections(ctx context.Context, p access.Principal) ([]string, error) {
	release, err := r.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if r.named {
		return r.names, nil
	}
	counts, refused := r.store.ReplayCollections(ctx, p, r.scope, store.Read{NotBefore: r.start})
	if refused != nil {
		return nil, refused
	}
	r.names, r.named = slices.Sorted(maps.Keys(counts)), true
	return r.names, nil
}

// page returns one page that is not older than need. It reads it unless a stream has a short time
// ago.
func (r *replay) page(
	ctx context.Context, p access.Principal, key pageKey, need backends.Cursor,
) (*page, error) {
	release, err := r.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	kept := r.pages[key]
	if kept != nil && kept.cursor.Reached(need) {
		return kept, nil
	}
	request := protocol.Request{
		Type: protocol.TypeList, Collection: key.collection, After: key.after, Limit: pageDocs,
	}
	bounds := store.Read{NotBefore: need, MaxBytes: replayPage}
	a, at, refused := r.store.ReplayPage(ctx, p, r.scope, &request, bounds)
	if refused != nil {
		return nil, refused
	}
	made := &page{next: a.Next, cursor: at, docs: len(a.Docs)}
	for i := range a.Docs {
		made.text = protocol.AppendState(made.text, key.collection, a.Docs[i].ID, &a.Docs[i], key.rev)
	}
	r.keep(key, made)
	return made, nil
}

func (r *replay) keep(key pageKey, made *page) {
	if old := r.pages[key]; old != nil { // older than need
		r.bytes -= len(old.text)
	} else {
		r.order = append(r.order, key)
	}
	r.pages[key] = made
	r.bytes += len(made.text)
	for r.bytes > keptPages && len(r.order) > 1 {
		oldest := r.order[0]
		r.order = r.order[1:]
		r.bytes -= len(r.pages[oldest].text)
		delete(r.pages, oldest)
	}
}
