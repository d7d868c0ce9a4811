package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// told is one block of an event stream, as a browser understands it.
type told struct {
	Type       string          `json:"type"`
	Collection string          `json:"collection"`
	DocID      string          `json:"docId"`
	Doc        json.RawMessage `json:"doc"`
	Reason     string          `json:"reason"`

	event, data, id, retry string
	comment                string
}

// watch is one event stream being read.
type watch struct {
	t      testing.TB
	ctx    context.Context
	header http.Header
	status int
	cut    func()
	in     chan told
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
	inner, cancel := context.WithCancel(ctx)
	q, err := http.NewRequestWithContext(inner, http.MethodGet, url, nil)
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		cancel()
		return nil, err
	}
	w := &watch{t: t, ctx: ctx, header: answer.Header, status: answer.StatusCode, in: make(chan told)}
	done := make(chan struct{})
	go func() { // ends with the body, which cut ends
		defer close(done)
		defer close(w.in)
		defer func() { _ = answer.Body.Close() }()
		readBlocks(bufio.NewReaderSize(answer.Body, 1<<16), func(b told) bool {
			select {
			case w.in <- b:
				return true
			case <-inner.Done():
				return false
			}
		})
	}()
	w.cut = func() {
		cancel()
		<-done
	}
	return w, nil
}

// readBlocks reads the format of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream:
// a line ends with CR, LF or both, a block with an empty line.
func readBlocks(in *bufio.Reader, yield func(told) bool) {
	var b told
	line, afterCR, some := []byte{}, false, false
	for {
		c, err := in.ReadByte()
		if err != nil {
			return // an unfinished block is dropped
		}
		if c == '\n' && afterCR {
			afterCR = false
			continue
		}
		afterCR = c == '\r'
		if c != '\n' && c != '\r' {
			line = append(line, c)
			continue
		}
		if len(line) > 0 {
			b.line(string(line))
			line, some = line[:0], true
			continue
		}
		if some {
			_ = json.Unmarshal([]byte(b.data), &b)
			if !yield(b) {
				return
			}
		}
		b, some = told{}, false
	}
}

func (b *told) line(text string) {
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "":
		b.comment = value
	case "event":
		b.event = value
	case "data":
		b.data = strings.TrimPrefix(b.data+"\n"+value, "\n")
	case "id":
		b.id = value
	case "retry":
		b.retry = value
	default:
		b.event = "unknown field " + name
	}
}

// next is the next block; false at the end.
func (w *watch) next() (told, bool) {
	select {
	case b, ok := <-w.in:
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
