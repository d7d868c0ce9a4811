package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// history is a random history of one scope: gateways, strangers and retention write while readers
// of every kind hold what they are told to the oracle.
type history struct {
	*trial
	// mu guards what the readers share.
	mu      sync.Mutex
	cursors []backends.Cursor
	did     map[string]int
}

// minima are how often a history must do each thing to count as one.
var minima = map[string]int{
	"writes": 300, "refused": 10, "re-inserts": 5, "outside": 20,
	"transfers": 20, "lists": 60, "pages": 60, "sinces": 60,
	"batches": 100, "resumes": 30, "expired": 1, "forgets": 3,
}

// maxRounds is how often the writers begin again, should the readers not have kept up.
const maxRounds = 10

var historyRules = []Rule{
	{
		ID: "history/model",
		Says: "every list, page, Since and batch of a random history is exactly what the oracle " +
			"recorded",
		Check: func(s *trial) {
			s.openAccounts()
			(&history{trial: s, did: map[string]int{}}).run()
		},
	},
}

// run lets everybody work until the writers are done, and then settles the accounts.
func (y *history) run() {
	follower := y.watch(y.now(), alpha)
	y.remember(follower.cursor)
	readers := []func(*trial){y.listing, y.paging, y.sincing, y.resuming, y.resuming}
	var stops []func()
	for _, work := range readers {
		stops = append(stops, y.background(1, work).stop)
	}
	join := y.join(follower)
	for round := 0; round < maxRounds && !y.Failed() && (round < 2 || y.missing() != ""); round++ {
		y.writing()
	}
	for _, stop := range stops {
		stop()
	}
	join()
	if y.Failed() {
		y.FailNow()
	}
	y.Logf("history: %v", y.did)
	if what := y.missing(); what != "" {
		y.Fatalf("%s: got %d want at least %d", what, y.did[what], minima[what])
	}
}

// join lets joining run until the function it returns is called.
func (y *history) join(f *follower) (end func()) {
	final := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer y.Guard()
		y.joining(f, final)
	})
	end = sync.OnceFunc(func() {
		close(final)
		group.Wait()
	})
	y.Cleanup(end)
	return end
}

func (y *history) count(what string, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.did[what] += n
}

// missing is the first thing that was not done often enough; "" if there is none.
func (y *history) missing() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, what := range sortedKeys(minima, nil) {
		if y.did[what] < minima[what] {
			return what
		}
	}
	return ""
}

// remember keeps a cursor for others to resume from, the latest ones and a few old ones.
func (y *history) remember(c backends.Cursor) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.cursors) > 40 {
		y.cursors = append(y.cursors[:5], y.cursors[15:]...)
	}
	y.cursors = append(y.cursors, c)
}

func (y *history) someCursor(on *trial) backends.Cursor {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.cursors[on.rng.IntN(len(y.cursors))]
}

// writing is the part of gateways, strangers and retention.
func (y *history) writing() {
	y.together(6, func(on *trial, i int) {
		on = on.fork()
		for n := range 80 {
			switch {
			case i == 5 && n%20 == 19:
				y.h.Forget(y, y.b)
				y.count("forgets", 1)
			case i == 5 && n%2 == 0:
				y.h.Outside(y, y.b).Do(y, on.rng.IntN(4) > 0, randomSteps(on.rng, n)...)
				y.count("outside", 1)
			case n%5 == 0:
				x := on.rng.IntN(accounts)
				on.transfer(fmt.Sprint("d", x), fmt.Sprint("d", (x+1)%accounts))
				y.count("transfers", 1)
			default:
				y.write(on, n)
			}
		}
	})
}

func (y *history) write(on *trial, n int) {
	if on.rng.IntN(6) == 0 {
		id := fmt.Sprint("again", on.rng.IntN(3))
		if _, err := on.try(on.tx(
			alpha, ups("notes", id, `{}`), del("notes", id), ins("notes", id, fmt.Sprintf(`{"n":%d}`, n)),
		)); err == nil {
			y.count("re-inserts", 1)
		}
	}
	o, err := on.try(on.tx(alpha, randomWrites(on.rng, n)...))
	switch protocol.CodeOf(err) {
	case "":
		y.count("writes", 1)
		if _, c := on.getFrom(o.Changes[0].Ref, nil); !c.Covers(o.Changes[0]) {
			on.Fatalf("a read after the answer does not show %s", o.Changes[0].Ref)
		}
	case protocol.CodeNotFound, protocol.CodeAlreadyExists:
		y.count("refused", 1)
	case protocol.CodeUnavailable: // the database is busy; the oracle knows what happened
	default:
		on.Fatalf("write: %v", err)
	}
}

func (y *history) listing(on *trial) {
	for _, collection := range []string{"notes", "accounts"} {
		p := on.list(alpha, collection, nil)
		on.exactly(alpha, collection, p)
		y.remember(p.Cursor)
		y.count("lists", 1)
		if collection == "accounts" {
			on.balanced("list", byID(p.Docs))
		}
	}
}

// paging holds each page to the oracle at its own cursor: the documents that come after the
// position, so many.
func (y *history) paging(on *trial) {
	q := backends.Query{Collection: "notes", Limit: 1 + on.rng.IntN(6)}
	for {
		p := on.page(alpha, q)
		want := after(on.oracle(on, alpha, p.Cursor)["notes"], q.After)
		on.want("rest after the page", p.Next != "", len(want) > q.Limit)
		on.want("ids of the page", ids(p), want[:min(q.Limit, len(want))])
		y.count("pages", 1)
		if q.After = p.Next; q.After == "" {
			return
		}
	}
}

func (y *history) sincing(on *trial) {
	from := y.someCursor(on)
	batch, err := on.b.Since(on.ctx, alpha, from, 1<<30)
	if errors.Is(err, backends.ErrCursor) {
		y.count("expired", 1)
		return
	}
	on.ok("since", err)
	on.held("since", alpha, from, batch)
	y.remember(batch.Cursor)
	y.count("sinces", 1)
}

// resuming watches from a random cursor for a few batches.
func (y *history) resuming(on *trial) {
	from := y.someCursor(on)
	feed, err := on.b.Watch(on.ctx, from)
	if errors.Is(err, backends.ErrCursor) {
		y.count("expired", 1)
		return
	}
	on.ok("watch", err)
	y.count("resumes", 1)
	f := &follower{
		trial: on, feed: feed, cursor: from, exact: []protocol.Scope{alpha},
		onLost: func(backends.Batch) { y.count("lost", 1) },
	}
	defer f.stop()
	for end := on.now(); !f.cursor.Reached(end); {
		f.next()
		y.remember(f.cursor)
		y.count("batches", 1)
	}
}

// joining follows from beginning to end and keeps lists of the way. At the end each of them, joined
// with the changes that it does not contain, must be the final state. A loss voids the lists from
// before it.
func (y *history) joining(f *follower, final <-chan struct{}) {
	var pages []backends.Page
	var changes []backends.Change
	f.onLost = func(backends.Batch) { pages, changes = nil, nil }
	for ended := false; !ended || len(pages) == 0; {
		select {
		case <-final:
			ended = true
		default:
		}
		if len(pages) < 20 {
			pages = append(pages, f.list(alpha, "notes", f.cursor))
		}
		for end := f.now(); !f.cursor.Reached(end); {
			changes = append(changes, f.next().Changes...)
			y.count("batches", 1)
		}
	}
	want := map[string]map[string]protocol.Document{"notes": f.oracle(f, alpha, f.cursor)["notes"]}
	for i, p := range pages {
		f.want(fmt.Sprintf("list %d joined with the feed", i), diff(join(p, ofScope(changes, alpha)), want), "")
	}
	y.count("joins", len(pages))
}

// after are the ids of a collection in the order of lists, behind a page's position.
func after(docs map[string]protocol.Document, position string) (rest []string) {
	list := slices.Collect(maps.Values(docs))
	slices.SortFunc(list, func(a, b protocol.Document) int {
		if backends.Before(&a, &b) {
			return -1
		}
		return 1
	})
	at, err := backends.ParsePosition(position)
	for _, d := range list {
		if err != nil || at.Precedes(&d) { // without a position there is an error, and everything comes after
			rest = append(rest, d.ID)
		}
	}
	return rest
}

func ofScope(changes []backends.Change, s protocol.Scope) (own []backends.Change) {
	for _, c := range changes {
		if c.Ref.Scope == s {
			own = append(own, c)
		}
	}
	return own
}
