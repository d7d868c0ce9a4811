package gateway_test

import (
	"context"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/rule"
)

// event is one block of an event stream, as a browser understands it.
type event struct {
	client.Block
	event, data, id, retry, comment string
}

func eventOf(b client.Block) event { return event{b, b.Event, b.Data, b.ID, b.Retry, b.Comment} }

// eventStream is an event stream and what has been read of it.
type eventStream struct {
	t      rule.T
	ctx    context.Context
	header http.Header
	status int
	cut    func()
	in     <-chan client.Block
	seen   []event
	// lastID is what EventSource would send back.
	lastID string
	ids    int // how many have come
}

// openStream opens a stream; headers are "Name: value".
func openStream(t rule.T, ctx context.Context, url string, headers ...string) *eventStream {
	t.Helper()
	w, err := tryStream(t, ctx, url, headers...)
	require.NoError(t, err)
	t.Cleanup(w.cut)
	return w
}

func tryStream(t rule.T, ctx context.Context, url string, headers ...string) (*eventStream, error) {
	stream, err := client.OpenStream(ctx, url, headers...)
	if err != nil {
		return nil, err
	}
	return &eventStream{
		t: t, ctx: ctx, header: stream.Header, status: stream.Status, in: stream.Blocks,
		cut: stream.Cut,
	}, nil
}

// next is the next block; false at the end.
func (w *eventStream) next() (event, bool) {
	select {
	case block, ok := <-w.in:
		b := eventOf(block)
		if ok {
			w.seen = append(w.seen, b)
			if b.id != "" {
				w.lastID = b.id
			}
		}
		return b, ok
	case <-w.ctx.Done():
		return event{}, false
	}
}

// until reads up to the first block that is wanted.
func (w *eventStream) until(what string, wanted func(event) bool) event {
	w.t.Helper()
	for {
		b, ok := w.next()
		if !ok {
			w.t.Fatalf("the stream ended before %s; seen: %s", what, w.story())
		}
		if wanted(b) {
			return b
		}
	}
}

// untilID reads up to the next id that can be resumed from.
func (w *eventStream) untilID() string {
	w.t.Helper()
	return w.until("an id", func(b event) bool { return b.id != "" && b.id != "reset" }).id
}

func (w *eventStream) untilDoc(id string) event {
	w.t.Helper()
	return w.until(
		"document "+id, func(b event) bool { return b.DocID == id || b.Doc != nil && idOf(b.Doc) == id },
	)
}

// story is what was seen, for people.
func (w *eventStream) story() string {
	var parts []string
	for _, b := range w.seen {
		switch {
		case b.event != "":
			parts = append(parts, b.event)
		case b.Type != "" && b.Doc != nil:
			parts = append(parts, b.Type+" "+idOf(b.Doc))
		case b.Type != "":
			parts = append(parts, b.Type+" "+b.DocID)
		case b.id == "reset":
			parts = append(parts, "id reset")
		case b.id != "":
			parts = append(parts, "id")
		case b.comment != "":
			parts = append(parts, "comment")
		case b.retry != "":
			parts = append(parts, "retry")
		}
	}
	return strings.Join(parts, ", ")
}

// foldInto applies blocks to a copy, as a client does that knows no reset: by collection and id.
func foldInto(docs map[string]string, blocks []event) {
	for _, b := range blocks {
		switch b.Type {
		case "insert", "update":
			docs[b.Collection+"/"+idOf(b.Doc)] = string(b.Doc)
		case "delete":
			delete(docs, b.Collection+"/"+b.DocID)
		}
	}
}
