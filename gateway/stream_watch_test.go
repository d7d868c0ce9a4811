package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
)

// told is one block of an event stream, as a browser understands it.
type told struct {
	client.Block
	event, data, id, retry, comment string
}

func toldBy(b client.Block) told { return told{b, b.Event, b.Data, b.ID, b.Retry, b.Comment} }

// watch is one event stream being read.
type watch struct {
	t      testing.TB
	ctx    context.Context
	header http.Header
	status int
	cut    func()
	in     <-chan client.Block
	seen   []told
	// lastID is what EventSource would send back.
	lastID string
}

// watchStream opens a stream; headers are "Name: value".
func watchStream(t testing.TB, ctx context.Context, url string, headers ...string) *watch {
	t.Helper()
	w, err := tryStream(t, ctx, url, headers...)
	require.NoError(t, err)
	t.Cleanup(w.cut)
	return w
}

func tryStream(t testing.TB, ctx context.Context, url string, headers ...string) (*watch, error) {
	stream, err := client.OpenStream(ctx, url, headers...)
	if err != nil {
		return nil, err
	}
	return &watch{t: t, ctx: ctx, header: stream.Header, status: stream.Status, in: stream.Blocks, cut: stream.Cut}, nil
}

// next is the next block; false at the end.
func (w *watch) next() (told, bool) {
	select {
	case block, ok := <-w.in:
		b := toldBy(block)
		if ok {
			w.seen = append(w.seen, b)
			if b.id != "" {
				w.lastID = b.id
			}
		}
		return b, ok
	case <-w.ctx.Done():
		return told{}, false
	}
}

// until reads up to the first block that is wanted.
func (w *watch) until(what string, wanted func(told) bool) told {
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
func (w *watch) untilID() string {
	w.t.Helper()
	return w.until("an id", func(b told) bool { return b.id != "" && b.id != "reset" }).id
}

func (w *watch) untilDoc(id string) told {
	w.t.Helper()
	return w.until("document "+id, func(b told) bool { return b.DocID == id || b.Doc != nil && idOf(b.Doc) == id })
}

// story is what was seen, for people.
func (w *watch) story() string {
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
func foldInto(docs map[string]string, blocks []told) {
	for _, b := range blocks {
		switch b.Type {
		case "insert", "update":
			docs[b.Collection+"/"+idOf(b.Doc)] = string(b.Doc)
		case "delete":
			delete(docs, b.Collection+"/"+b.DocID)
		}
	}
}
