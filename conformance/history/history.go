package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// History is one random history to check a gateway with.
type History struct {
	// URL is the gateway's base, such as http://127.0.0.1:8080.
	URL   string
	Scope protocol.Scope
	// Backend is the one behind the gateway, to read cursors and the final state with.
	Backend backends.Backend
	Oracle  conformance.Oracle
	// Outside, if set, writes beside the gateway. Forget, if set, drops the history, so that
	// cursors expire.
	Outside conformance.Outside
	Forget  func()
	// Upsets happen to the database one after the other, while writers write and clients follow.
	Upsets []Upset
	// Patience is how long clients may take to recover from an upset; 0: some minutes.
	Patience time.Duration
	Seed     uint64
	// Duration is how long writers write at least; on a busy machine they go on, many times as
	// long, until all of Least has happened.
	Duration time.Duration
	Writers  int
	// SocketClients are WebSockets: of three, one follows nothing but what it subscribes to. Of twelve,
	// four keep their connection for the whole run; the others are cut again and again.
	SocketClients int
	// StreamClients are clients of REST and the event stream; half as many write over REST. Of six, two
	// keep their stream for the whole run.
	StreamClients int
	// BrowserClients act as the hooks of today's browsers, which know no reset: history must not be
	// forgotten, nor lost.
	BrowserClients int
	// Least is what must have happened for the history to count.
	Least Counts
}

// Counts is what happened in a history.
type Counts struct {
	Writes, Batches, RESTWrites, Outside, Reinserts, Settled int64
	// Kept are the acknowledged writes that the database must have in the end. Upsets are those of
	// which everybody has recovered.
	Kept, Upsets int64
	Lists, Pages int64
	// Of sockets: bookmarks, connections that were cut, that went on at their cursor, and resets.
	// Resubscribes are the subscriptions that went on at cursors of their own.
	Bookmarks, Cuts, Resumes, Resubscribes, Resets int64
	// The same of event streams. Those that opened fresh had a copy and no id.
	IDs, StreamCuts, StreamResumes, StreamResets, StreamsFresh int64
	// Of browser clients: documents that they opened, and those that changed while they were cut off.
	Opened, Missed int64
}

// Over is a part of the counts, for a database that less can be asked of in the same time.
func (c Counts) Over(n int64) Counts {
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt((v.Field(i).Int() + n - 1) / n)
	}
	return c
}

// run is a history under way.
type run struct {
	History
	t      conformance.T
	begun  time.Time
	ctx    context.Context
	cancel context.CancelFunc
	failed atomic.Bool
	ended  atomic.Bool // the writers have stopped
	final  backends.Cursor
	names  []string // of all clients

	// steady is held while the database is upset, so that the oracle and outside writers wait.
	steady     sync.RWMutex
	since      backends.Cursor // a snapshot after the last upset; under steady
	phase      atomic.Int64    // odd during an upset
	upsetsOver atomic.Bool

	mu     sync.Mutex
	mark   mark
	counts Counts
	states map[string]map[string]map[string]string // the oracle's answers by cursor
}

// Check runs the history and fails t where a promise is broken, naming the rule. It prints the seed
// and what the history held.
func Check(t conformance.T, h History) Counts {
	t.Helper()
	if h.Patience == 0 {
		h.Patience = patience
	}
	limit := longer*h.Duration + 90*time.Second + time.Duration(len(h.Upsets))*h.Patience
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r := &run{
		History: h, t: t, begun: time.Now(), ctx: ctx, cancel: cancel,
		states: map[string]map[string]map[string]string{},
	}
	r.upsetsOver.Store(h.Upsets == nil)
	r.prepare()
	var clients, writers sync.WaitGroup
	for i := range h.SocketClients {
		c := newSocketClient(r, i)
		r.names = append(r.names, c.name)
		clients.Go(c.follow)
	}
	for i := range h.StreamClients {
		c := newStreamClient(r, i)
		r.names = append(r.names, c.name)
		clients.Go(c.follow)
	}
	for i := range h.BrowserClients {
		c := newBrowserClient(r, i)
		r.names = append(r.names, c.name)
		clients.Go(c.follow)
	}
	for i := range (h.StreamClients + h.BrowserClients) / 2 {
		writers.Go(func() { r.restWriter(i) })
	}
	var accounts []*writer
	for i := range h.Writers {
		w := newWriter(r, i)
		accounts = append(accounts, w)
		writers.Go(w.start)
	}
	if h.Outside != nil {
		writers.Go(func() { r.outside() })
	}
	if h.Forget != nil {
		writers.Go(func() { r.forget() })
	}
	if h.Upsets != nil {
		writers.Go(r.upset)
	}
	writers.Wait()
	r.finish()
	if !r.failed.Load() {
		r.checkKept(accounts, r.final)
	}
	clients.Wait()
	r.report()
	return r.counts
}

// rand is a source of its own for each part, so that parts do not disturb each other's dice.
func (r *run) rand(part string, i int) *rand.Rand {
	var salt uint64
	for _, b := range []byte(part) {
		salt = salt*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(r.Seed, salt<<16+uint64(i)))
}

// fail reports a broken rule once; what follows a first failure explains nothing.
func (r *run) fail(rule, format string, args ...any) {
	if r.failed.CompareAndSwap(false, true) {
		r.t.Errorf("rule %s: %s (seed %d)", rule, fmt.Sprintf(format, args...), r.Seed)
		r.cancel()
	}
}

// count changes the counts under their lock.
func (r *run) count(f func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.counts)
}

func (r *run) counted() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// cursor fails if the history has dropped what came after it. An upset is waited out.
func (r *run) cursor(text string) (at backends.Cursor, err error) {
	raw, err := protocol.DecodeCursor(r.Scope, text)
	if err != nil {
		return nil, err
	}
	return at, r.waitingOut(func(ctx context.Context) error {
		at, err = r.Backend.Cursor(ctx, raw)
		return err
	})
}

// now is a cursor of the database as it is. An upset is waited out.
func (r *run) now() (at backends.Cursor, err error) {
	return at, r.waitingOut(func(ctx context.Context) error {
		page, err := r.Backend.List(ctx, r.Scope, backends.Query{Collection: "nothing"})
		at = page.Cursor
		return err
	})
}

// waitingOut asks the database again while it is away, which it is in upsets only.
func (r *run) waitingOut(ask func(ctx context.Context) error) error {
	if r.Upsets == nil {
		return ask(r.ctx)
	}
	for {
		ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
		err := ask(ctx)
		cancel()
		if err == nil || errors.Is(err, backends.ErrCursor) || r.ctx.Err() != nil {
			return err
		}
		r.pause(10 * time.Millisecond)
	}
}

// state is the database at a bookmark's cursor, as clients see documents.
func (r *run) state(text string) (map[string]map[string]string, bool) {
	r.mu.Lock()
	state, known := r.states[text]
	r.mu.Unlock()
	if known {
		return state, true
	}
	r.steady.RLock()
	defer r.steady.RUnlock()
	cursor, err := r.cursor(text)
	if err != nil {
		return nil, false // it has expired meanwhile; the next bookmark will do
	}
	found, known := r.ask(cursor)
	if !known {
		return nil, false
	}
	state = map[string]map[string]string{}
	for collection, docs := range found {
		state[collection] = map[string]string{}
		for id, d := range docs {
			state[collection][id] = string(d.Append(nil))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.states) > 1000 {
		clear(r.states)
	}
	r.states[text] = state
	return state, true
}

// finish notes the last snapshot: every socketClient has to get there.
func (r *run) finish() {
	var err error
	if r.final, err = r.now(); err != nil && !r.failed.Load() {
		r.fail("history/final", "the final state cannot be read: %v", err)
	}
	r.ended.Store(true)
}

// end is a client's: it must have come to the final snapshot.
func (r *run) end(name string, done bool) {
	if !done {
		r.fail("history/final", "%s: its copy has not come to the final state in time", name)
	}
}

func (r *run) report() {
	r.t.Logf("history (seed %d): %+v", r.Seed, r.counts)
	if r.failed.Load() {
		return
	}
	if short := r.short(); len(short) > 0 {
		r.fail("history/minima", "too little happened to prove anything: %s", strings.Join(short, ", "))
	}
}

// short is what has happened too seldom so far.
func (r *run) short() (short []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got, least := reflect.ValueOf(r.counts), reflect.ValueOf(r.Least)
	for i := range got.NumField() {
		if got.Field(i).Int() < least.Field(i).Int() {
			short = append(
				short,
				fmt.Sprintf("%d %s of at least %d", got.Field(i).Int(), got.Type().Field(i).Name, least.Field(i).Int()),
			)
		}
	}
	return short
}

// longer is how many times its duration a history may last: until enough has happened, on a busy
// machine too.
const longer = 48

// writing tells whether writers go on.
func (r *run) writing() bool {
	took := time.Since(r.begun)
	return r.ctx.Err() == nil &&
		(took < r.Duration || !r.upsetsOver.Load() || took < longer*r.Duration && len(r.short()) > 0)
}

// forget drops the database's history now and then. Where that voids every cursor, a slow machine
// would hardly see one that is still good, so first a few of each kind go on at theirs.
func (r *run) forget() {
	rng := r.rand("forget", 0)
	for r.writing() {
		enough := r.wentOn(3)
		for r.writing() {
			r.pause(time.Duration(200+rng.IntN(300)) * time.Millisecond)
			if enough() {
				break
			}
		}
		r.Forget()
	}
}

// wentOn tells whether, since it was called, so many have gone on at their cursors: sockets,
// subscriptions and streams.
func (r *run) wentOn(times int64) func() bool {
	before := r.counted()
	return func() bool {
		n := r.counted()
		return min(
			n.Resumes-before.Resumes, n.Resubscribes-before.Resubscribes, n.StreamResumes-before.StreamResumes,
		) >= times
	}
}

// again is what a client does before it asks again.
func (r *run) again() { r.pause(20 * time.Millisecond) }

func (r *run) pause(d time.Duration) {
	select {
	case <-r.ctx.Done():
	case <-time.After(d):
	}
}
