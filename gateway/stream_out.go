package gateway

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// out writes a long body for one goroutine. It gives up on a peer that takes nothing for the stall time; what is
// small is joined into writes of about frameBytes.
type out struct {
	ctx    context.Context
	sink   sink
	joined *[]byte // nil while there is nothing to join
}

// sink takes what an out writes, and gives up on a peer as an out does.
type sink interface {
	io.Writer
	Flush() error
	// Finish ends the body, once all of it is flushed.
	Finish()
	// Cut makes a write that is under way fail, and all that follow; any goroutine may call it.
	Cut()
}

// joins are the buffers of those who are not idle.
var joins = sync.Pool{New: func() any { b := make([]byte, 0, frameBytes); return &b }}

func (g *Gateway) newOut(ctx context.Context, w http.ResponseWriter) *out {
	return &out{ctx: ctx, sink: &responseSink{ctx, w, http.NewResponseController(w), g.config.Stall}}
}

// write takes p, which it neither keeps nor changes.
func (o *out) write(p []byte) error {
	if o.joined == nil {
		o.joined = joins.Get().(*[]byte)
	}
	if len(*o.joined)+len(p) <= frameBytes {
		*o.joined = append(*o.joined, p...)
		return nil
	}
	if err := o.send(); err != nil {
		return err
	}
	for len(p) > frameBytes {
		if err := o.put(p[:frameBytes]); err != nil {
			return err
		}
		p = p[frameBytes:]
	}
	*o.joined = append(*o.joined, p...)
	return nil
}

// rest gives the buffer back, once it is empty: whoever takes it next may serve another scope.
func (o *out) rest() error {
	if o.joined == nil {
		return nil
	}
	var err error
	if len(*o.joined) > 0 {
		err = o.flush()
	}
	joins.Put(o.joined)
	o.joined = nil
	return err
}

// flush hands everything to the connection.
func (o *out) flush() error {
	if err := o.send(); err != nil {
		return err
	}
	return o.sink.Flush()
}

// close is flush for the last time.
func (o *out) close() error {
	err := o.flush()
	_ = o.rest() // it is empty now
	o.sink.Finish()
	return err
}

func (o *out) send() error {
	if o.joined == nil {
		return o.ctx.Err()
	}
	err := o.put(*o.joined)
	*o.joined = (*o.joined)[:0]
	return err
}

func (o *out) put(p []byte) error {
	if len(p) == 0 {
		return o.ctx.Err()
	}
	_, err := o.sink.Write(p)
	return err
}

// responseSink writes to net/http's connection.
type responseSink struct {
	ctx     context.Context
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

// Write sets the deadline before it looks at ctx: whoever ends ctx cuts afterwards, and so cuts this write too.
func (s *responseSink) Write(p []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.stall)) // without deadlines the server's own must do
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(p)
}

func (s *responseSink) Flush() error { return s.control.Flush() }

// Finish takes the deadline away: the connection may serve another request, which it is not meant for.
func (s *responseSink) Finish() { _ = s.control.SetWriteDeadline(time.Time{}) }

func (s *responseSink) Cut() { _ = s.control.SetWriteDeadline(time.Unix(1, 0)) }
