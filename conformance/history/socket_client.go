package history

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// socketClient is a client that keeps copies over many connections. It reads on one goroutine and
// decides on another.
type socketClient struct {
	*run
	name   string
	rng    *rand.Rand
	none   bool // changes=none: it subscribes
	atomic bool // it applies by bookmark; else at once
	stays  bool // its connection is not cut
	copy   *replica
	client *client.Client
	in     chan protocol.Received // what the connection has told and the client has not looked at
	asked  map[string]*question   // by requestId
	// cursor is the last bookmark; ahead is set after a cut, to a snapshot that the copy may have
	// got to since.
	cursor  string
	ahead   backends.Cursor
	dirty   bool // something came after the last bookmark
	counted bool // a bookmark came on this connection
	done    bool
}

// Asking the oracle takes longer than reading a message. A client that is so many messages behind,
// of the unread ones that it takes from its connection, asks at a later bookmark or id.
const unread, behind = 64, 16

// question is a request under way.
type question struct {
	request protocol.Request
	part    *part
}

func newSocketClient(r *run, i int) *socketClient {
	w := &socketClient{
		run: r, rng: r.rand("watcher", i), none: i%3 == 2, atomic: i%2 == 1, stays: i%12 >= 8, copy: newReplica(),
	}
	w.name = fmt.Sprintf("socket client %d (none %v, atomic %v)", i, w.none, w.atomic)
	return w
}

// follow connects again and again until the copy has been exact at the final snapshot.
func (w *socketClient) follow() {
	for !w.done && w.ctx.Err() == nil {
		if w.connect() {
			w.watch()
		}
	}
	w.end(w.name, w.done)
}

func (w *socketClient) connect() bool {
	parameters := []string{"changes", "all"}
	if w.none {
		parameters[1] = "none"
	} else if w.cursor != "" {
		parameters = append(parameters, "cursor", w.cursor)
	}
	w.asked = map[string]*question{}
	var err error
	if w.client, err = client.Dial(w.ctx, client.URL(w.URL, w.Scope, parameters...)); err != nil {
		if w.Upsets != nil { // a cursor cannot be checked while the database is away
			w.again()
		} else if w.ctx.Err() == nil {
			w.fail("history/connection", "%s: %v", w.name, err)
		}
		return false
	}
	if w.cursor != "" && !w.none && w.client.Welcome.Resumed {
		w.count(func(c *Counts) { c.Resumes++ })
	}
	return true
}

// watch follows one connection until it is cut.
func (w *socketClient) watch() {
	in := make(chan protocol.Received, unread)
	w.in = in
	go func() { // ends with the connection, which this function ends
		defer close(in)
		for {
			m, err := w.client.Next(w.ctx)
			if err != nil {
				return
			}
			in <- m
		}
	}()
	defer func() {
		w.client.Cut()
		for range in {
		}
		w.lost()
	}()
	w.begin()
	early := w.rng.IntN(4) == 0
	w.counted = false
	var cut <-chan time.Time
	if !w.stays {
		cut = time.After(time.Duration(50+w.rng.IntN(500)) * time.Millisecond)
	}
	act := time.NewTicker(time.Duration(20+w.rng.IntN(40)) * time.Millisecond)
	defer act.Stop()
	for !w.done {
		select {
		case m, ok := <-in:
			if !ok {
				if w.ctx.Err() == nil {
					w.fail("history/connection", "%s: the gateway ended the connection", w.name)
				}
				return
			}
			w.receive(m)
		case <-act.C:
			w.act()
		case <-cut:
			if !early && !w.counted { // on a slow machine all would be cut before they know where they are
				cut = time.After(50 * time.Millisecond)
			} else if w.awaits(w.name) {
				cut = time.After(50 * time.Millisecond)
			} else {
				w.count(func(c *Counts) { c.Cuts++ })
				return
			}
		case <-w.ctx.Done():
			return
		}
	}
}

// lost is what a client does when its connection is gone: one that applies by bookmark drops what
// came after it.
func (w *socketClient) lost() {
	if w.atomic {
		w.copy.rollBack()
		return
	}
	if w.dirty && w.ctx.Err() == nil && !w.done {
		w.ahead, _ = w.now()
	}
	w.copy.keepWhole()
}

// begin asks for what the socketClient wants: every collection, or the subscriptions that it had
// and some more.
func (w *socketClient) begin() {
	if !w.none {
		for _, c := range collections {
			if !w.copy.part(c, "").whole {
				w.list(c)
			}
		}
		return
	}
	if len(w.copy.parts) == 0 {
		w.copy.part("sum", "")
		w.copy.part(collections[w.rng.IntN(2)], "")
		w.copy.part(collections[w.rng.IntN(2)], fmt.Sprintf("d%d", w.rng.IntN(ids)))
	}
	for _, p := range w.copy.parts {
		w.subscribe(p)
	}
}

func (w *socketClient) list(collection string) {
	q := protocol.Request{Type: protocol.TypeList, Collection: collection}
	if w.rng.IntN(2) == 0 {
		q.Limit = 1 + w.rng.IntN(20)
	}
	w.ask(q, w.copy.part(collection, ""))
}

func (w *socketClient) subscribe(p *part) {
	q := protocol.Request{Type: protocol.TypeSubscribe, Collection: p.collection, DocID: p.id}
	if p.whole {
		q.Cursor = p.cursor
	}
	w.ask(q, p)
}

func (w *socketClient) ask(q protocol.Request, p *part) {
	id, err := w.client.Send(w.ctx, q)
	if err != nil {
		return // the reader sees it too
	}
	p.asked++
	w.asked[id] = &question{q, p}
}

// act is what a client does by itself now and then: it lists again.
func (w *socketClient) act() {
	if w.awaits(w.name) || w.rng.IntN(4) > 0 {
		return
	}
	if w.none {
		w.toggle()
		return
	}
	c := collections[w.rng.IntN(len(collections))]
	if w.copy.part(c, "").asked == 0 {
		w.list(c)
	}
}

// toggle follows another document, or leaves one.
func (w *socketClient) toggle() {
	p := w.copy.part(collections[w.rng.IntN(2)], fmt.Sprintf("d%d", w.rng.IntN(ids)))
	switch {
	case p.asked > 0 || p.leaving:
	case p.whole:
		p.leaving = true
		w.ask(protocol.Request{Type: protocol.TypeUnsubscribe, Collection: p.collection, DocID: p.id}, p)
	default:
		w.subscribe(p)
	}
}

func (w *socketClient) receive(m protocol.Received) {
	switch m.Type {
	case protocol.TypeBookmark:
		w.bookmark(m.Cursor)
	case protocol.TypeChange:
		w.dirty = true
		if !w.copy.change(m, w.none) && w.none {
			w.fail(
				"subscribe/only", "%s was sent a change that it does not follow: %s/%s", w.name, m.Collection, m.DocID,
			)
		}
	case protocol.TypeReset:
		w.count(func(c *Counts) { c.Resets++ })
		w.reset()
	default:
		if q := w.asked[m.RequestID]; q != nil {
			delete(w.asked, m.RequestID)
			w.answered(q, m)
		}
	}
}

// reset: all copies are void. Answers under way may be parts of lists that began before: they do
// not count.
func (w *socketClient) reset() {
	w.ahead, w.cursor = nil, ""
	w.copy.void()
	for _, p := range w.copy.parts {
		if p.asked > 0 {
			p.again = true
			continue
		}
		w.fetch(p)
	}
}

// fetch asks for a part anew.
func (w *socketClient) fetch(p *part) {
	if w.none {
		w.subscribe(p)
		return
	}
	w.list(p.collection)
}

func (w *socketClient) answered(q *question, m protocol.Received) {
	p := q.part
	p.asked--
	w.dirty = true
	if m.Error != nil {
		if !m.Error.Retryable {
			w.fail(
				"history/errors", "%s: %s was refused: %s %s", w.name, q.request.Type, m.Error.Code, m.Error.Message,
			)
		}
		p.again = true
	}
	if q.request.Type == protocol.TypeUnsubscribe {
		w.copy.remove(p)
		return
	}
	p.following = p.following || q.request.Type == protocol.TypeSubscribe && m.Error == nil
	switch {
	case p.again && p.asked > 0:
	case p.again:
		p.again = false
		w.fetch(p)
	case m.Resumed:
		w.count(func(c *Counts) { c.Resubscribes++ })
	default:
		w.page(q, m)
	}
}

// page takes one page of a list; the first replaces what the copy had.
func (w *socketClient) page(q *question, m protocol.Received) {
	w.count(func(c *Counts) { c.Pages++ })
	if q.request.After == "" {
		w.count(func(c *Counts) { c.Lists++ })
		q.part.clear()
	}
	for _, doc := range m.Docs {
		q.part.put(doc)
	}
	if m.Next == "" {
		q.part.complete = true
		return
	}
	next := protocol.Request{
		Type: protocol.TypeList, Collection: q.part.collection, After: m.Next,
		Limit: q.request.Limit,
	}
	w.ask(next, q.part)
}

// bookmark is where the copy must equal the database.
func (w *socketClient) bookmark(cursor string) {
	w.cursor, w.dirty, w.counted = cursor, false, true
	w.count(func(c *Counts) { c.Bookmarks++ })
	w.copy.commit(cursor, w.none)
	if len(w.in) > behind {
		return
	}
	at, err := w.run.cursor(cursor)
	if err != nil {
		return // its history has been dropped meanwhile
	}
	if w.ahead != nil {
		if !at.Reached(w.ahead) {
			return // the copy may be ahead of this bookmark
		}
		w.ahead = nil
	}
	known := w.compare(cursor)
	if !w.copy.settled(w.none) {
		return
	}
	if known {
		w.exact(w.name, at)
	}
	w.done = w.ended.Load() && w.final != nil && at.Reached(w.final)
}

func (w *socketClient) compare(cursor string) (known bool) {
	state, known := w.state(cursor)
	if !known {
		return false
	}
	for _, p := range w.copy.parts {
		if w.none && !p.following {
			continue // a bookmark speaks for what was answered on this connection
		}
		if why := p.differs(state[p.collection]); why != "" {
			w.fail("bookmarks/exact", "%s: at a bookmark the copy of %s differs from the database: %s", w.name, p, why)
		}
		if p.collection == "sum" && p.whole && p.asked == 0 {
			w.sum("bookmarks/whole-transactions", w.name, p.docs)
		}
	}
	return true
}
