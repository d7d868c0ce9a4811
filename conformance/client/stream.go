package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Block is one block of an event stream, as a browser understands it, with the members of its data.
type Block struct {
	Event, Data, ID, Retry, Comment string

	Type       string          `json:"type"`
	Collection string          `json:"collection"`
	DocID      string          `json:"docId"`
	Doc        json.RawMessage `json:"doc"`
	Reason     string          `json:"reason"`
}

// Stream is one event stream (server-sent events) being read.
type Stream struct {
	Status int
	Header http.Header
	// Blocks is closed when the stream has ended.
	Blocks <-chan Block

	cancel context.CancelFunc
	done   chan struct{}
}

// OpenStream opens a stream and returns when its headers have come, whatever its status; headers
// are "Name: value". Whoever opens it must Cut it.
func OpenStream(ctx context.Context, address string, headers ...string) (*Stream, error) {
	inner, cancel := context.WithCancel(ctx)
	answer, err := roundTrip(inner, http.MethodGet, address, "", headers)
	if err != nil {
		cancel()
		return nil, err
	}
	blocks := make(chan Block)
	s := &Stream{
		Status: answer.StatusCode, Header: answer.Header, Blocks: blocks, cancel: cancel,
		done: make(chan struct{}),
	}
	go func() { // Cut waits for it
		defer close(s.done)
		defer close(blocks)
		defer func() { _ = answer.Body.Close() }()
		readBlocks(answer.Body, func(b Block) bool {
			select {
			case blocks <- b:
				return true
			case <-inner.Done():
				return false
			}
		})
	}()
	return s, nil
}

// Cut drops the connection without a word, as a network does.
func (s *Stream) Cut() {
	s.cancel()
	<-s.done
}

// Next is the next block; io.EOF at the stream's end.
func (s *Stream) Next(ctx context.Context) (Block, error) {
	select {
	case b, ok := <-s.Blocks:
		if !ok {
			return b, io.EOF
		}
		return b, nil
	case <-ctx.Done():
		return Block{}, ctx.Err()
	}
}

// readBlocks reads the format of
// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream: a line
// ends with CR, LF or both, a block with an empty line. An unfinished block is dropped.
func readBlocks(body io.Reader, yield func(Block) bool) {
	lines := &lineReader{Reader: bufio.NewReaderSize(body, 1<<16)}
	var b Block
	for some := false; ; {
		line, err := lines.next()
		switch {
		case err != nil:
			return
		case line != "":
			b.line(line)
			some = true
			continue
		case !some:
			continue
		}
		_ = json.Unmarshal([]byte(b.Data), &b) // data that is no JSON has no members
		if !yield(b) {
			return
		}
		b, some = Block{}, false
	}
}

// lineReader reads lines that end with CR, LF or both.
type lineReader struct {
	*bufio.Reader
	afterCR bool // a LF that comes now belongs to the line before
}

func (r *lineReader) next() (string, error) {
	var line []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		second := c == '\n' && r.afterCR
		r.afterCR = c == '\r'
		switch {
		case second:
		case c == '\n' || c == '\r':
			return string(line), nil
		default:
			line = append(line, c)
		}
	}
}

func (b *Block) line(text string) {
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "":
		b.Comment = value
	case "event":
		b.Event = value
	case "data":
		b.Data = strings.TrimPrefix(b.Data+"\n"+value, "\n")
	case "id":
		b.ID = value
	case "retry":
		b.Retry = value
	default:
		b.Event = fmt.Sprintf("unknown field %q", name)
	}
}
