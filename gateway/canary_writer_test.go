package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// watched is a socket of which every byte is looked at.
type watched struct {
	*canary
	scope protocol.Scope
	conn  *websocket.Conn
	count int
}

// dial opens a socket. The answer is nil if it was opened.
func (c *canary) dial(s protocol.Scope, token string, parameters ...string) (*watched, *http.Response) {
	options := &websocket.DialOptions{Subprotocols: []string{protocol.Subprotocol, "second.bearer." + token}}
	conn, answer, err := websocket.Dial(c.ctx, client.URL(c.url, s, parameters...), options)
	if err != nil {
		return nil, answer
	}
	c.connections.Add(1)
	conn.SetReadLimit(64 << 20)
	return &watched{canary: c, scope: s, conn: conn}, nil
}

// send sends a request.
func (w *watched) send(r protocol.Request) error {
	w.count++
	r.RequestID = fmt.Sprint(w.count)
	return w.conn.Write(w.ctx, websocket.MessageText, r.Append(nil))
}

// canaryBatch is how many changes a batch has, and canaryIDs how many documents a scope at most.
const canaryBatch, canaryIDs = 10, 12

// write makes changes in the scopes that are this writer's.
func (c *canary) write(writer, changes int) {
	random := rand.New(rand.NewPCG(uint64(writer), 2))
	open, exists := map[protocol.Scope]*watched{}, map[string]bool{}
	defer func() {
		for _, w := range open {
			_ = w.conn.CloseNow()
		}
	}()
	for done, i := 0, writer; (done < changes || i < 2*len(c.scopes)) && !c.over(); i += canaryWriters {
		s := c.scopes[i%len(c.scopes)]
		w := open[s]
		if w == nil {
			if w, _ = c.dial(s, c.tokenFor("writer", s, time.Hour), "changes", "none"); w == nil {
				c.Errorf("no socket for a writer of %s", s)
				return
			}
			open[s] = w
		}
		if !w.batch(random, exists) {
			return
		}
		done += canaryBatch
		c.changes.Add(canaryBatch)
	}
}

// batch inserts, updates and deletes documents that carry the scope's canary.
func (w *watched) batch(random *rand.Rand, exists map[string]bool) bool {
	mark := markOf(w.scope)
	batch := protocol.Request{Type: protocol.TypeBatch}
	for range canaryBatch {
		id := fmt.Sprintf("%s-%d", mark, random.IntN(canaryIDs))
		r := protocol.Request{Collection: "c", DocID: id, Data: []byte(fmt.Sprintf(`{"m":%q}`, mark))}
		switch {
		case !exists[id]:
			r.Type, exists[id] = protocol.TypeInsert, true
		case random.IntN(4) == 0:
			r.Type, r.Data, exists[id] = protocol.TypeDelete, nil, false
		default:
			r.Type = protocol.TypeUpdate
		}
		batch.Operations = append(batch.Operations, r)
	}
	if err := w.send(batch); err != nil {
		w.Errorf("a writer's socket: %v", err)
		return false
	}
	for {
		_, frame, err := w.conn.Read(w.ctx)
		if err != nil {
			w.Errorf("a writer's socket: %v", err)
			return false
		}
		w.look(w.scope, "a writer's socket", frame)
		messages, err := protocol.DecodeFrame(frame)
		if err != nil {
			w.Errorf("a frame: %v", err)
			return false
		}
		for _, m := range messages {
			if m.RequestID == fmt.Sprint(w.count) {
				if m.Error != nil {
					w.Errorf("a batch: %v", m.Error)
				}
				return m.Error == nil
			}
		}
	}
}
