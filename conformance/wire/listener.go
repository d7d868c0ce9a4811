package wire

import (
	"context"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// listener is an event stream whose every block is noted in the order it came.
type listener struct {
	*client.Stream
	r    *trial
	seen []client.Block
	// lastID is what EventSource would send back.
	lastID string
}

// listen opens the stream of the rule's scope; headers are "Name: value".
func (r *trial) listen(parameters []string, headers ...string) *listener {
	return r.listenTo(r.scope, parameters, headers...)
}

func (r *trial) listenTo(s protocol.Scope, parameters []string, headers ...string) *listener {
	stream, err := client.OpenStream(r.ctx, client.StreamURL(r.target.URL, s, parameters...), headers...)
	r.must(err == nil, "opening the stream: %v", err)
	r.Cleanup(stream.Cut)
	l := &listener{Stream: stream, r: r}
	r.must(l.Status == 200, "status of the stream: got %d want 200", l.Status)
	return l
}

func (l *listener) next() client.Block { return l.nextWithin(l.r.target.wait()) }

func (l *listener) nextWithin(d time.Duration) client.Block {
	ctx, cancel := context.WithTimeout(l.r.ctx, d)
	defer cancel()
	b, err := l.Next(ctx)
	l.r.must(err == nil, "the stream ended, or nothing came for %v: %v; seen: %s", d, err, l.story())
	l.seen = append(l.seen, b)
	if b.ID != "" {
		l.lastID = b.ID
	}
	return b
}

// until reads up to the first block that is wanted.
func (l *listener) until(what string, wanted func(client.Block) bool) client.Block {
	for over := time.Now().Add(l.r.target.wait()); ; {
		b := l.next()
		if wanted(b) {
			return b
		}
		l.r.must(time.Now().Before(over), "%s did not come within %v; seen: %s", what, l.r.target.wait(), l.story())
	}
}

// id reads up to the next id that can be resumed from.
func (l *listener) id() string {
	return l.until("an id", func(b client.Block) bool { return b.ID != "" && b.ID != "reset" }).ID
}

// live reads up to where the stream has told the last seconds, and tells what is new from there on.
func (l *listener) live() {
	l.id() // the opening's
	l.id()
}

// event reads up to the next event about a document.
func (l *listener) event(collection, id string) client.Block {
	return l.until(
		"an event of "+id, func(b client.Block) bool { return b.Collection == collection && subject(b) == id },
	)
}

// subject is the id of the document that a block tells of.
func subject(b client.Block) string {
	if b.Doc != nil {
		return idOf(b.Doc)
	}
	return b.DocID
}

// of are the blocks about a collection, from a block on.
func (l *listener) of(collection string, from int) (blocks []client.Block) {
	for _, b := range l.seen[from:] {
		if b.Collection == collection {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// apply applies blocks about a collection to a copy, as a client does that knows no reset.
func apply(docs map[string]string, collection string, blocks []client.Block) {
	for _, b := range blocks {
		switch {
		case b.Collection != collection:
		case b.Type == "insert" || b.Type == "update":
			docs[idOf(b.Doc)] = string(b.Doc)
		case b.Type == "delete":
			delete(docs, b.DocID)
		}
	}
}

// revLess is a collection as REST lists it without revisions, by id: what streams tell.
func (r *trial) revLess(collection string) map[string]string {
	a := r.rest("GET", r.dataURL("", "collection", collection), "")
	r.want("status of the list", a.Status, 200)
	return docsIn(r, a)
}

func (l *listener) story() string {
	var parts []string
	for _, b := range l.seen[max(0, len(l.seen)-100):] {
		switch {
		case b.Event != "":
			parts = append(parts, "event "+b.Event)
		case b.Type != "":
			parts = append(parts, b.Type+" "+subject(b))
		case b.ID != "":
			parts = append(parts, "id")
		case b.Comment != "":
			parts = append(parts, "comment")
		case b.Retry != "":
			parts = append(parts, "retry")
		}
	}
	return strings.Join(parts, ", ")
}
