package runs

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// boardWait is how long one read of the board waits for changes.
	boardWait = 20 * time.Second
	// failedPause lies between a read that failed and the next.
	failedPause = 500 * time.Millisecond
)

// Board tells of the runs of workspaces. It reads each workspace that somebody watches once, by a goroutine of
// the room that the workspace has.
type Board struct {
	runs *Runs

	mu      sync.Mutex
	rooms   map[string]*room
	running sync.WaitGroup
}

func newBoard(r *Runs) *Board { return &Board{runs: r, rooms: map[string]*room{}} }

func (b *Board) wait() { b.running.Wait() }

// room is a workspace that is watched.
type room struct {
	workspace string
	cancel    context.CancelFunc
	watchers  map[*Watcher]struct{} // guarded by the board's mu
	ready     chan struct{}         // closed once active is known

	mu     sync.Mutex
	active map[string]Run
	wanted map[string]int // runs that watchers want the end of, which active may lack
}

// Watcher is somebody who watches a workspace. Any goroutine may call its methods.
type Watcher struct {
	board *Board
	room  *room
	tell  func(Run)
}

// Watch has tell called with every run of a workspace whose status changes, until Leave. tell must not block.
func (r *Runs) Watch(workspace string, tell func(Run)) *Watcher {
	b := r.board
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.rooms[workspace]
	if o == nil {
		ctx, cancel := context.WithCancel(context.Background())
		o = &room{
			workspace: workspace, cancel: cancel, watchers: map[*Watcher]struct{}{}, ready: make(chan struct{}),
			active: map[string]Run{}, wanted: map[string]int{},
		}
		b.rooms[workspace] = o
		b.running.Go(func() { b.serve(ctx, o) })
	}
	w := &Watcher{b, o, tell}
	o.watchers[w] = struct{}{}
	return w
}

// Leave ends the watching. A call of tell that is under way may still end later.
func (w *Watcher) Leave() {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	delete(w.room.watchers, w)
	if len(w.room.watchers) == 0 {
		w.room.cancel()
		delete(w.board.rooms, w.room.workspace)
	}
}

// Ready waits until the board knows the workspace. It returns false if ctx ends first.
func (w *Watcher) Ready(ctx context.Context) bool {
	select {
	case <-w.room.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// Want has the end of a run told even if the board has never heard of the run. Unwant is its opposite.
func (w *Watcher) Want(id string) { w.room.want(id, 1) }

// Unwant ends what Want began.
func (w *Watcher) Unwant(id string) { w.room.want(id, -1) }

func (o *room) want(id string, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wanted[id] += n; o.wanted[id] == 0 {
		delete(o.wanted, id)
	}
}

// Active are the runs that have not ended, as far as the board has heard.
func (w *Watcher) Active() (all []Run) {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	for _, run := range w.room.active {
		all = append(all, run)
	}
	return all
}

// serve reads a workspace until nobody watches it.
func (b *Board) serve(ctx context.Context, o *room) {
	for ctx.Err() == nil {
		var cursor string
		_ = retry.Do(ctx, retry.Always, func(ctx context.Context) error {
			var refused *protocol.Error
			if cursor, refused = b.load(ctx, o); refused != nil {
				return refused
			}
			return nil
		})
		if ctx.Err() == nil && !b.follow(ctx, o, cursor) {
			_ = b.runs.pause(ctx, failedPause) // ctx has ended, or it is tried again
		}
	}
}

// load reads what there is, and returns a cursor of before.
func (b *Board) load(ctx context.Context, o *room) (cursor string, refused *protocol.Error) {
	now, refused := b.runs.changes(ctx, o.workspace, "", 0)
	if refused != nil {
		return "", refused
	}
	active, refused := b.runs.active(ctx, o.workspace)
	if refused != nil {
		return "", refused
	}
	for _, run := range active {
		b.note(o, run)
	}
	for _, id := range o.gone(active) {
		run, found, refused := b.runs.read(ctx, o.workspace, id)
		if refused != nil {
			return "", refused
		}
		if found {
			b.note(o, run)
		}
	}
	select {
	case <-o.ready:
	default:
		close(o.ready)
	}
	return now.Cursor, nil
}

// gone are the runs that somebody waits for and that are not active any more.
func (o *room) gone(active []Run) (ids []string) {
	is := map[string]bool{}
	for _, run := range active {
		is[run.ID] = true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.active {
		if !is[id] {
			ids = append(ids, id)
		}
	}
	for id := range o.wanted {
		if _, also := o.active[id]; !also && !is[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// follow tells of changes until they cannot be had any more. It returns false if the database is away.
func (b *Board) follow(ctx context.Context, o *room, cursor string) bool {
	for ctx.Err() == nil {
		c, refused := b.runs.changes(ctx, o.workspace, cursor, boardWait)
		if refused != nil || c.Reset != "" {
			return refused == nil
		}
		cursor = c.Cursor
		for i := range c.Changes {
			if doc := c.Changes[i].Doc; doc != nil {
				if run, err := decode(o.workspace, doc); err == nil {
					b.note(o, run)
				}
			}
		}
	}
	return true
}

// note keeps a run, and tells of it if its status has changed.
func (b *Board) note(o *room, run Run) {
	o.mu.Lock()
	was, known := o.active[run.ID]
	if run.Status.Ended() {
		delete(o.active, run.ID)
	} else {
		o.active[run.ID] = run
	}
	o.mu.Unlock()
	if known && was.Status == run.Status {
		return
	}
	b.mu.Lock()
	watchers := make([]*Watcher, 0, len(o.watchers))
	for w := range o.watchers {
		watchers = append(watchers, w)
	}
	b.mu.Unlock()
	for _, w := range watchers {
		w.tell(run)
	}
}

// changes are those of a workspace's runs since a cursor: see [store.Store.ChangesSince].
func (r *Runs) changes(
	ctx context.Context, workspace, cursor string, wait time.Duration,
) (store.Changes, *protocol.Error) {
	return r.store.ChangesSince(ctx, access.Gateway(), systemScope(workspace), cursor, collection, wait)
}
