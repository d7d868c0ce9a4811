package door

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/secondgate/secondgate/gateway/hub"
)

// Body writes a long answer for one goroutine at a time. It joins what is small into writes of
// about hub.FrameBytes, and gives up on a peer that takes nothing for the stall time.
type Body struct {
	ctx    context.Context
	sink   Sink
	joined *[]byte // nil while there is nothing to join
}

// Sink takes what a Body writes, and gives up on a peer that takes nothing for the stall time.
type Sink interface {
	io.Writer
	Flush() error
	// Finish ends the body, once all of it is flushed.
	Finish()
	// Cut makes a write that is under way fail, and all that follow. Any goroutine may call it.
	Cut()
}

// joinBuffers are the buffers of the bodies that have something to join.
var joinBuffers = sync.Pool{New: func() any { b := make([]byte, 0, hub.FrameBytes); return &b }}

// NewBody writes to a sink until ctx ends.
func NewBody(ctx context.Context, sink Sink) *Body { return &Body{ctx: ctx, sink: sink} }

// ResponseBody writes to net/http's connection.
func (e *Env) ResponseBody(ctx context.Context, w http.ResponseWriter) *Body {
	return NewBody(ctx, e.ResponseSink(ctx, w))
}

// ResponseSink is the sink of ResponseBody.
func (e *Env) ResponseSink(ctx context.Context, w http.ResponseWriter) Sink {
	return &responseSink{ctx, w, http.NewResponseController(w), e.Stall}
}

// Write takes p, which it neither keeps nor changes.
func (b *Body) Write(p []byte) error {
	if b.joined == nil {
		b.joined = joinBuffers.Get().(*[]byte)
	}
	if len(*b.joined)+len(p) <= hub.FrameBytes {
		*b.joined = append(*b.joined, p...)
		return nil
	}
	if err := b.send(); err != nil {
		return err
	}
	for len(p) > hub.FrameBytes {
		if err := b.put(p[:hub.FrameBytes]); err != nil {
			return err
		}
		p = p[hub.FrameBytes:]
	}
	*b.joined = append(*b.joined, p...)
	return nil
}

// Rest flushes what is joined and gives the buffer back: its next user may serve another scope.
func (b *Body) Rest() error {
	if b.joined == nil {
		return nil
	}
	err := b.Flush()
	joinBuffers.Put(b.joined)
	b.joined = nil
	return err
}

// Flush hands everything to the connection.
func (b *Body) Flush() error {
	if err := b.send(); err != nil {
		return err
	}
	return b.sink.Flush()
}

// Close flushes and ends the body.
func (b *Body) Close() error {
	err := b.Flush()
	_ = b.Rest() // it is empty now
	b.sink.Finish()
	return err
}

// Cut drops the connection; see Sink.
func (b *Body) Cut() { b.sink.Cut() }

func (b *Body) send() error {
	if b.joined == nil {
		return b.ctx.Err()
	}
	err := b.put(*b.joined)
	*b.joined = (*b.joined)[:0]
	return err
}

func (b *Body) put(p []byte) error {
	if len(p) == 0 {
		return b.ctx.Err()
	}
	_, err := b.sink.Write(p)
	return err
}

// responseSink writes to net/http's connection.
type responseSink struct {
	ctx     context.Context
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// Write sets the deadline before it looks at ctx: a caller of Cut ends ctx first, so its deadline
// cuts this write too.
func (s *responseSink) Write(p []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.stall)) // without deadlines the server's own must do
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

func (s *responseSink) Flush() error { return s.control.Flush() }

// Finish takes the deadline away: it is not meant for the connection's next request.
func (s *responseSink) Finish() { _ = s.control.SetWriteDeadline(time.Time{}) }

func (s *responseSink) Cut() { _ = s.control.SetWriteDeadline(time.Unix(1, 0)) }
