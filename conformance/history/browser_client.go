package history

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// held is what a useDoc hook shows: a document, "" for null.
type held struct{ collection, id, doc string }

// newBrowserClient is a client that acts as the hooks of today's browsers do: a useCollection for each
// collection, and a useDoc for one document. The hooks fetch over REST, before the stream opens or
// after. They know no cursor but the one that EventSource sends back, and no reset. They conclude
// from the name of an operation what is to be done.
func newBrowserClient(r *run, i int) *streamClient {
	return &streamClient{
		run: r, name: fmt.Sprintf("browser client %d", i), number: i, rng: r.rand("browser", i), browser: true,
		stays: i%4 == 3, docs: map[string]map[string]string{},
	}
}

// show is what the hooks do with an event: useCollection ignores an update of what it does not
// have, useDoc ignores each insert.
func (l *streamClient) show(b client.Block) {
	if b.Event == "reset" {
		l.count(func(c *Counts) { c.StreamResets++ })
		l.awaited = nil
		l.expect() // unlike the page, which hears nothing of it
	}
	if b.Event != "" || b.Type == "" {
		return
	}
	id := b.DocID
	if b.Doc != nil {
		id = client.StampsOf(b.Doc).ID
	}
	if l.docs[b.Collection] == nil {
		l.docs[b.Collection] = map[string]string{}
	}
	docs := l.docs[b.Collection]
	_, known := docs[id]
	switch {
	case b.Type == "delete":
		delete(docs, id)
	case b.Type == "insert" || known:
		docs[id] = string(b.Doc)
	}
	if h := l.held; h != nil && h.collection == b.Collection && h.id == id && b.Type != "insert" {
		h.doc = string(b.Doc)
	}
	l.dirty = true
}

// open has the page hold another document open.
func (l *streamClient) open(id string) {
	l.held = nil
	a, err := client.Do(l.ctx, "GET", client.DataURL(l.URL, l.Scope, id, "collection", "kept"), "")
	var body struct{ Doc json.RawMessage }
	switch {
	case l.ctx.Err() != nil || err == nil && (a.Status == 404 || l.passing(a)):
		return
	case err != nil || a.Status != 200 || json.Unmarshal([]byte(a.Body), &body) != nil:
		l.fail("history/errors", "%s: document %s was answered %d %.200s %v", l.name, id, a.Status, a.Body, err)
		return
	}
	l.held, l.dirty = &held{"kept", id, string(body.Doc)}, true
	l.expect()
	l.count(func(c *Counts) { c.Opened++ })
}

// browse is what a page does now and then: another part of it fetches.
func (l *streamClient) browse() {
	if l.rng.IntN(2) == 0 {
		l.list(collections[l.rng.IntN(len(collections))])
		return
	}
	for id := range l.docs["kept"] {
		l.open(id)
		return
	}
}

// miss is what may happen while a page is cut off from its stream: somebody makes a document, the
// page fetches and holds it, and somebody changes it.
func (l *streamClient) miss() {
	if !l.browser || l.ended.Load() || l.rng.IntN(2) == 0 {
		return
	}
	l.missed++
	id := fmt.Sprintf("m%d-%d", l.number, l.missed)
	q := protocol.Request{Type: protocol.TypeInsert, Collection: "kept", DocID: id, Data: value(1)}
	made := l.somebody("POST", "", client.Body(q))
	l.list("kept")
	l.open(id)
	q.Type, q.Data = protocol.TypeUpdate, value(2)
	if made && l.somebody("PATCH", id, client.Body(q)) {
		l.count(func(c *Counts) { c.Missed++ })
	}
	if l.missed > 1 {
		l.somebody("DELETE", fmt.Sprintf("m%d-%d", l.number, l.missed-1), "")
	}
}

// somebody writes over REST; the page does not see the answer.
func (l *streamClient) somebody(method, id, body string) bool {
	a, err := client.Do(l.ctx, method, client.DataURL(l.URL, l.Scope, id, "collection", "kept"), body)
	return err == nil && a.Status < 300
}

// compareShown holds what the hooks show to the database.
func (l *streamClient) compareShown(state map[string]map[string]string) {
	for _, c := range collections {
		want := map[string]string{}
		for id, doc := range state[c] {
			want[id] = plain(doc)
		}
		p := part{collection: c, docs: l.docs[c], whole: true}
		if why := p.differs(want); why != "" {
			l.fail("browser/collections", "%s: at an id useCollection(%s) is wrong: %s", l.name, c, why)
		}
	}
	if h := l.held; h != nil && h.doc != plain(state[h.collection][h.id]) {
		l.fail(
			"browser/document", "%s: at an id useDoc(%s) shows %q, in the database is %q", l.name, h.id, h.doc,
			plain(state[h.collection][h.id]),
		)
	}
	l.sum("browser/whole-transactions", l.name, l.docs["sum"])
}

// plain is a document without its _rev, which is the last field.
func plain(doc string) string {
	before, _, with := strings.Cut(doc, `,"_rev":"`)
	if !with {
		return doc
	}
	return before + "}"
}
