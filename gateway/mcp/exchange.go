package mcp

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// exchange is one request of a client, which may wait or listen for long. It implements
// [door.Connection].
type exchange struct {
	ctx context.Context // of the request
	cut context.CancelFunc
	// waiting ends when the gateway is about to stop: what only waits ends with it.
	waiting context.Context
	goAway  context.CancelFunc
}

func newExchange(ctx context.Context) *exchange {
	e := &exchange{}
	e.ctx, e.cut = context.WithCancel(ctx)
	e.waiting, e.goAway = context.WithCancel(e.ctx)
	return e
}

// GoAway has what waits end, and calls that work go on.
func (e *exchange) GoAway() { e.goAway() }

// Cut ends everything.
func (e *exchange) Cut() { e.cut() }

// listen has the exchange end when the gateway is about to stop: it only tells of changes.
func (e *exchange) listen() { context.AfterFunc(e.waiting, e.cut) }

// during is ctx until the exchange ends too: of clients of the older era, the SDK's lasts for ever. A call
// that waits ends when the gateway is about to stop, any other one after its time.
func (e *exchange) during(ctx context.Context, t *tool) (context.Context, context.CancelFunc) {
	until, most := e.ctx, store.RequestTime
	if t.slow {
		most = longestWait
	}
	if t.waits {
		until, most = e.waiting, longestWait+store.RequestTime
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	stop := context.AfterFunc(until, cancel)
	return ctx, func() { stop(); cancel() }
}

// serve has the SDK serve a request, for as long as the gateway runs.
func (d *Door) serve(w http.ResponseWriter, r *http.Request, a *agent, next http.Handler) {
	place, refused := d.Env.Quotas.Enter(r, a.principal)
	if refused != nil {
		d.Env.Refuse(w, refused)
		return
	}
	defer place.Leave()
	if r.Method == http.MethodPost {
		body, room, refused := d.Env.TakeBody(w, r)
		defer d.Env.Memory.Release(room)
		if refused != nil {
			d.Env.Refuse(w, refused)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	e := newExchange(context.WithValue(r.Context(), agentKey{}, a))
	defer e.cut()
	a.exchange = e
	if !d.Env.Registry.Admit(metrics.MCP, e) {
		d.Env.Refuse(w, errStopping)
		return
	}
	defer d.Env.Registry.Dismiss(metrics.MCP, e)
	next.ServeHTTP(w, r.WithContext(e.ctx))
}

var errStopping = protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping: connect again")
