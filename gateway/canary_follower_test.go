package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// canaryVisits is how many kinds of visits there are.
const canaryVisits = 8

// visit comes to a scope, in one of many ways, and goes.
func (c *canary) visit(random *rand.Rand, kind int) {
	s, other := c.twoApps(random)
	user := fmt.Sprint("u", random.Uint64())
	token := c.tokenFor(user, s, time.Hour)
	switch kind % canaryVisits {
	case 0:
		c.followSocket(s, token, 20, nil)
	case 1: // back by a cursor of its own
		cursor := c.cursorOf(s)
		c.resumes.Add(1)
		c.followSocket(s, token, 20, nil, "cursor", cursor)
		c.followStream(s, token, 20, "cursor", cursor)
	case 2: // back by a cursor of another scope
		cursor := c.cursorOf(other)
		c.foreignCursors.Add(1)
		c.followSocket(s, token, 10, nil, "cursor", cursor)
		c.followStream(s, token, 10, "cursor", cursor)
	case 3:
		c.followStream(s, token, 40)
	case 4: // a token that expires soon, and another one in time
		c.followSocket(s, c.tokenFor(user, s, 20*time.Second), 40, func(w *watched) {
			c.refreshes.Add(1)
			w.refresh(token)
		})
	case 5: // a token of the same user with rights elsewhere
		c.followSocket(s, token, 40, func(w *watched) {
			c.narrowed.Add(1)
			w.refresh(c.tokenFor(user, other, time.Hour))
		})
	case 6: // the user's tokens are revoked
		c.followSocket(s, token, 40, func(*watched) {
			if err := access.RevokeUser(c.ctx, c.backend, user, time.Hour); err != nil {
				c.Errorf("revoke: %v", err)
			}
			c.revoked.Add(1)
		})
	case 7:
		c.outsider(s, other)
	}
}

// twoApps are scopes of two apps.
func (c *canary) twoApps(random *rand.Rand) (s, other protocol.Scope) {
	for s.Workspace == other.Workspace && s.App == other.App {
		s, other = c.scopes[random.IntN(len(c.scopes))], c.scopes[random.IntN(len(c.scopes))]
	}
	return s, other
}

// cursorOf is a bookmark that somebody had in the scope, else the cursor of a list.
func (c *canary) cursorOf(s protocol.Scope) string {
	c.mu.Lock()
	cursor := c.cursors[s]
	c.mu.Unlock()
	if cursor != "" {
		return cursor
	}
	a, err := client.Do(c.ctx, http.MethodGet, client.DataURL(c.url, s, "", "collection", "c"), "",
		"Authorization: Bearer "+c.tokenFor("reader", s, time.Hour))
	cursor = a.Header.Get("Second-Cursor")
	if err != nil || cursor == "" {
		c.Errorf("a list has no cursor: %d, %v", a.Status, err)
	}
	return cursor
}

func (c *canary) keepCursor(s protocol.Scope, cursor string) {
	if cursor == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cursors[s] = cursor
}

// visitTime is how long a visit lasts where nothing happens. A socket's begins with its answer.
const visitTime = 300 * time.Millisecond

// firstFrames are the welcome and the answer to the list: they come however busy the machine is.
const firstFrames = 2

// followSocket lists, reads so many frames and drops the connection; then is done after the first ones.
func (c *canary) followSocket(
	s protocol.Scope, token string, frames int, then func(*watched), parameters ...string,
) {
	w, _ := c.dial(s, token, parameters...)
	if w == nil {
		return // its token has expired on the way
	}
	defer func() { _ = w.conn.CloseNow() }()
	if w.send(protocol.Request{Type: protocol.TypeList, Collection: "c"}) != nil {
		return
	}
	ctx := c.ctx
	for i := range frames {
		if i == firstFrames {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(c.ctx, visitTime)
			defer cancel()
			if then != nil {
				then(w)
			}
		}
		_, frame, err := w.conn.Read(ctx)
		if err != nil {
			return // it was closed, or the time is over
		}
		c.look(s, "a socket", frame)
		messages, err := protocol.DecodeFrame(frame)
		if err != nil {
			c.Errorf("a frame: %v", err)
			return
		}
		for _, m := range messages {
			if m.Type == protocol.TypeBookmark {
				c.keepCursor(s, m.Cursor)
			}
		}
	}
}

// refresh sends another token.
func (w *watched) refresh(token string) {
	frame := fmt.Sprintf(`{"type":"second:auth:refresh","requestId":"refresh","token":%q}`, token)
	_ = w.conn.Write(w.ctx, 1, []byte(frame)) // it may have closed meanwhile
}

// followStream reads lines of an event stream, and drops it.
func (c *canary) followStream(s protocol.Scope, token string, lines int, parameters ...string) {
	ctx, cancel := context.WithTimeout(c.ctx, visitTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, client.StreamURL(c.url, s, parameters...), nil)
	if err != nil {
		c.Errorf("a stream: %v", err)
		return
	}
	q.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return // the time is over
	}
	defer answer.Body.Close()
	c.connections.Add(1)
	body := bufio.NewReader(answer.Body)
	for range 3 * lines {
		line, err := body.ReadBytes('\n')
		c.look(s, "an event stream", line)
		if err != nil {
			return
		}
	}
}

// outsider comes with a token of another scope, by each door.
func (c *canary) outsider(s, other protocol.Scope) {
	c.outsiders.Add(1)
	token := c.tokenFor("outsider", other, time.Hour)
	w, answer := c.dial(s, token, "cursor", c.cursorOf(s))
	if w != nil {
		c.Errorf("an outsider has a socket of %s", s)
		_ = w.conn.CloseNow()
		return
	}
	if answer != nil {
		body, _ := io.ReadAll(answer.Body)
		c.look(protocol.Scope{}, "a refused socket", body)
	}
	for _, url := range []string{
		client.DataURL(c.url, s, ""), client.DataURL(c.url, s, markOf(s)+"-1", "collection", "c"),
		client.StreamURL(c.url, s, "cursor", c.cursorOf(s)),
	} {
		a, err := client.Do(c.ctx, http.MethodGet, url, "", "Authorization: Bearer "+token)
		if err != nil || a.Status != http.StatusNotFound {
			c.Errorf("an outsider gets %d from %s: %v", a.Status, url, err)
			return
		}
		c.look(protocol.Scope{}, "an outsider's answer", []byte(a.Body))
	}
}
