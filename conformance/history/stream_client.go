package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// streamClient is a client of REST and the event stream that keeps a copy of every collection over
// many connections. It heeds resets, unless it is a page. It reads on one goroutine, the stream's
// own, and decides on another.
type streamClient struct {
	*run
	name    string
	number  int
	rng     *rand.Rand
	atomic  bool // it applies by id; else at once
	stays   bool // its stream is not cut
	browser bool // see newBrowserClient
	docs    map[string]map[string]string
	saved   map[string]map[string]string // docs at the last id
	held    *held                        // the document that a page holds open; nil for none
	missed  int                          // documents that somebody made while the page was cut off
	stream  *client.Stream
	in      chan told // what the stream has told and the client has not looked at
	// id is the last one: "reset" from a reset until its replay is whole, "" before the first list.
	id string
	// awaited are snapshots that the copy may have got to: it counts at an id that has reached them
	// all.
	awaited []backends.Cursor
	dirty   bool // something came after the last id
	counted bool // an id came on this stream
	done    bool
	current time.Time // the copy was at least as new as the database then
}

// told is what a stream has told, and when. The client may look at it much later: while the database
// is away it waits for the oracle.
type told struct {
	client.Block
	at time.Time
}

func newStreamClient(r *run, i int) *streamClient {
	l := &streamClient{
		run: r, rng: r.rand("listening", i), atomic: i%2 == 1, stays: i%6 >= 4,
		docs: map[string]map[string]string{},
	}
	l.name = fmt.Sprintf("stream client %d (atomic %v)", i, l.atomic)
	return l
}

// follow connects again and again until the copy has been exact at the final snapshot.
func (l *streamClient) follow() {
	for !l.done && l.ctx.Err() == nil {
		if l.id == "" && !(l.browser && l.rng.IntN(2) == 0) && !l.begin() {
			continue
		}
		if l.connect() {
			l.watch()
			l.lost()
			l.miss()
		}
	}
	l.end(l.name, l.done)
}

// begin lists every collection. The stream from the first list's cursor repairs what the others saw
// of later states.
func (l *streamClient) begin() bool {
	if !l.browser {
		l.awaited = nil
	}
	l.current = time.Now()
	for _, c := range collections {
		cursor, ok := l.list(c)
		if !ok {
			return false
		}
		if l.id == "" && !l.browser {
			l.id = cursor
		}
	}
	l.saved = l.copied()
	return true
}

// list replaces the copy of a collection by what REST lists, and returns the list's cursor.
func (l *streamClient) list(collection string) (string, bool) {
	parameters := append(l.rev(), "collection", collection)
	a, err := client.Do(l.ctx, "GET", client.DataURL(l.URL, l.Scope, "", parameters...), "")
	if l.ctx.Err() != nil {
		return "", false
	}
	if err == nil && l.passing(a) {
		return "", false
	}
	var body struct{ Docs []json.RawMessage }
	cursor := a.Header.Get("Second-Cursor")
	if err != nil || a.Status != 200 || cursor == "" || json.Unmarshal([]byte(a.Body), &body) != nil {
		l.fail(
			"history/errors", "%s: the list of %s was answered %d %.200s %v", l.name, collection, a.Status, a.Body,
			err,
		)
		return "", false
	}
	l.count(func(c *Counts) { c.Lists++ })
	if at, err := l.run.cursor(cursor); err == nil { // else it has expired meanwhile, and a reset follows
		l.awaited = append(l.awaited, at)
	}
	docs := map[string]string{}
	for _, d := range body.Docs {
		docs[client.StampsOf(d).ID] = string(d)
	}
	l.docs[collection], l.dirty = docs, true
	return cursor, true
}

// connect opens a stream where the last one ended: by header, by URL, or, as a second tab that has
// the copy and no id, without either.
func (l *streamClient) connect() bool {
	parameters, headers, fresh := l.rev(), []string(nil), false
	switch n := l.rng.IntN(8); {
	case l.id == "" || n == 0 && l.id != "reset" && l.mayOpenFresh():
		l.count(func(c *Counts) { c.StreamsFresh++ })
		l.expect()
		fresh = true
	case n < 4 && !l.browser:
		parameters = append(parameters, "cursor", l.id)
	default:
		headers = []string{"Last-Event-ID: " + l.id}
	}
	stream, err := client.OpenStream(l.ctx, client.StreamURL(l.URL, l.Scope, parameters...), headers...)
	if err != nil || stream.Status != 200 {
		if l.ctx.Err() == nil {
			l.fail("history/connection", "%s: %v", l.name, err)
		}
		if err == nil {
			stream.Cut()
		}
		return false
	}
	l.stream = stream
	first, err := stream.Next(l.ctx)
	switch {
	case err != nil:
		stream.Cut()
		return false
	case first.ID == "" && first.Retry != "" && l.Upsets != nil: // the gateway could not open it
		stream.Cut()
		l.again()
		return false
	case first.ID == "":
		l.fail("sse/opening", "%s: the stream opens with %+v instead of an id", l.name, first)
	case first.ID == l.id && l.id != "reset":
		l.count(func(c *Counts) { c.StreamResumes++ })
	}
	if l.browser {
		l.id = first.ID // as EventSource does
	}
	if fresh && !l.mayOpenFresh() && !l.begin() {
		stream.Cut()
		return false
	}
	return true
}

// rev are the parameters that ask for _rev, for which a page does not ask.
func (l *streamClient) rev() []string {
	if l.browser {
		return nil
	}
	return []string{"rev", "1"}
}

// expect notes that the copy may be ahead of the ids to come, up to now.
func (l *streamClient) expect() {
	if now, err := l.now(); err == nil {
		l.awaited = append(l.awaited, now)
	}
}

// recent is how long a client without an id may take to open a stream: that begins ten seconds ago.
const recent = 5 * time.Second

// mayOpenFresh tells whether a stream without an id tells all that the copy lacks. After an upset
// that loses writes nobody knows what they were.
func (l *streamClient) mayOpenFresh() bool {
	return time.Since(l.current) < recent && !l.loses()
}

// passing tells whether REST was answered that the database is away, which it may be in an upset.
func (r *run) passing(a client.Reply) bool {
	if r.Upsets == nil || a.Status != 503 && a.Status != 504 {
		return false
	}
	r.again()
	return true
}

// watch follows one stream until it is cut.
func (l *streamClient) watch() {
	in := make(chan told, 100*unread)
	l.in = in
	go func() { // ends with the stream, which this function ends
		defer close(in)
		for b := range l.stream.Blocks {
			in <- told{b, time.Now()}
		}
	}()
	defer func() {
		l.stream.Cut()
		for range in {
		}
	}()
	early := l.rng.IntN(4) == 0
	l.counted = false
	var cut <-chan time.Time
	if !l.stays {
		cut = time.After(time.Duration(30+l.rng.IntN(300)) * time.Millisecond)
	}
	act := time.NewTicker(time.Duration(50+l.rng.IntN(100)) * time.Millisecond)
	defer act.Stop()
	for !l.done {
		select {
		case b, ok := <-in:
			if !ok {
				return
			}
			l.receive(b)
		case <-act.C:
			switch {
			case l.id == "reset" || l.awaits(l.name) || l.rng.IntN(4) > 0:
			case l.browser:
				l.browse()
			default:
				l.list(collections[l.rng.IntN(len(collections))])
			}
		case <-cut:
			if !early && !l.counted { // see socketClient.watch
				cut = time.After(50 * time.Millisecond)
			} else if l.awaits(l.name) {
				cut = time.After(50 * time.Millisecond)
			} else {
				l.count(func(c *Counts) { c.StreamCuts++ })
				return
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// lost is what a client does when its stream is gone: one that applies by id drops what came after
// it.
func (l *streamClient) lost() {
	if l.done || l.ctx.Err() != nil || !l.dirty {
		return
	}
	if l.atomic && l.saved != nil {
		l.docs = l.saved
		l.saved = l.copied()
		return
	}
	l.expect()
}

func (l *streamClient) receive(b told) {
	switch {
	case l.browser:
		l.show(b.Block)
	case b.Event == "reset":
		l.count(func(c *Counts) { c.StreamResets++ })
		if b.Reason == "" {
			l.fail("sse/reset-event", "%s: a reset came without its reason as data", l.name)
		}
		clear(l.docs)
		l.awaited, l.saved, l.dirty = nil, nil, true
	case b.Event != "":
		l.fail("sse/shapes", "%s: there is an event %q", l.name, b.Event)
	case b.Type == "delete":
		delete(l.docs[b.Collection], b.DocID)
		l.dirty = true
	case b.Type != "":
		if l.docs[b.Collection] == nil {
			l.docs[b.Collection] = map[string]string{}
		}
		l.docs[b.Collection][client.StampsOf(b.Doc).ID] = string(b.Doc)
		l.dirty = true
	}
	if b.ID != "" {
		l.reached(b.ID, b.at)
	}
}

// reached is an id: where the copy must equal the database, unless the client is known to be ahead
// of it.
func (l *streamClient) reached(id string, toldAt time.Time) {
	if l.id = id; id == "reset" {
		return
	}
	l.dirty, l.counted, l.saved, l.current = false, true, l.copied(), toldAt
	l.count(func(c *Counts) { c.IDs++ })
	if len(l.in) > behind {
		return
	}
	at, err := l.run.cursor(id)
	if err != nil {
		return // its history has been dropped meanwhile
	}
	for _, c := range l.awaited {
		if !at.Reached(c) {
			return
		}
	}
	l.awaited = nil
	if l.compare(id) {
		l.exact(l.name, at)
	}
	if l.ended.Load() && l.final != nil && at.Reached(l.final) {
		l.done = true
	}
}

func (l *streamClient) compare(id string) (known bool) {
	state, known := l.state(id)
	if !known {
		return false
	}
	if l.browser {
		l.compareShown(state)
		return true
	}
	for _, c := range collections {
		p := part{collection: c, docs: l.docs[c], whole: true}
		if why := p.differs(state[c]); why != "" {
			l.fail("ids/exact", "%s: at an id the copy of %s differs from the database: %s", l.name, c, why)
		}
	}
	l.sum("ids/whole-transactions", l.name, l.docs["sum"])
	return true
}

// copied is a copy of the copy.
func (l *streamClient) copied() map[string]map[string]string {
	all := map[string]map[string]string{}
	for c, docs := range l.docs {
		all[c] = maps.Clone(docs)
	}
	return all
}

// sum holds the accounts, of a copy that counts, to what they hold together in every snapshot.
func (r *run) sum(rule, name string, docs map[string]string) {
	total := 0
	for _, doc := range docs {
		total += client.StampsOf([]byte(doc)).N
	}
	if total != accounts*balance {
		r.fail(rule, "%s: the accounts hold %d instead of %d: a batch was torn", name, total, accounts*balance)
	}
}

// restWriter writes over REST.
func (r *run) restWriter(i int) {
	w := newWriter(r, 100+i)
	for r.writing() {
		q := protocol.Request{
			Collection: collections[w.rng.IntN(2)], DocID: fmt.Sprintf("d%d", w.rng.IntN(ids)),
			Data: w.data(),
		}
		method, id, text := "PATCH", q.DocID, ""
		switch w.rng.IntN(4) {
		case 0, 1:
			q.Type, method, id = protocol.TypeInsert, "POST", ""
		case 2:
			method = "DELETE"
		}
		if method != "DELETE" {
			text = client.Body(q)
		}
		a, err := client.Do(r.ctx, method, client.DataURL(r.URL, r.Scope, id, "collection", q.Collection), text)
		switch {
		case r.ctx.Err() != nil || err == nil && r.passing(a):
		case err != nil || a.Status >= 400 && a.Status != 404 && a.Status != 409 && a.Status != 503:
			r.fail("history/errors", "REST writer %d: %s was answered %d %.200s %v", i, method, a.Status, a.Body, err)
		case a.Status < 300:
			r.count(func(c *Counts) { c.RESTWrites++ })
		}
		r.pause(time.Duration(w.rng.IntN(8)) * time.Millisecond)
	}
}
