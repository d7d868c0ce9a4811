package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// crashWatcher keeps a copy through all the crashes: it lists once, and only resumes from then on,
// unless it may be reset.
type crashWatcher struct {
	*crash
	docs   map[string]string
	cursor string
	// mayReset: a reset is no failure, the watcher lists again. void is set from then until it
	// does.
	mayReset, void bool
}

func docID(doc json.RawMessage) string {
	var d struct {
		ID string `json:"_id"`
	}
	_ = json.Unmarshal(doc, &d) // an empty id is found missing
	return d.ID
}

// watch follows until it has every document that the writers were acknowledged.
func (w *crashWatcher) watch() {
	for !w.complete() && !w.lost() {
		parameters := []string{}
		if w.cursor != "" {
			parameters = append(parameters, "cursor", w.cursor)
		}
		conn := w.dial(parameters...)
		if conn == nil {
			continue
		}
		if w.cursor == "" {
			conn.Seen = w.see
			w.void = false
			clear(w.docs)
			if listInto(conn, w.docs) != nil {
				w.cursor = "" // the list was cut: begin again
				conn.Cut()
				continue
			}
		} else if !conn.Welcome.Resumed {
			w.notResumed(conn)
			if !w.mayReset {
				return
			}
			conn.Cut()
			continue
		} else {
			w.mu.Lock()
			w.resumed++
			w.mu.Unlock()
		}
		for !w.void && !w.complete() && !w.lost() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // sixty heartbeats
			m, err := conn.Next(ctx)
			cancel()
			if err != nil {
				break
			}
			w.see(m)
		}
		conn.Cut()
	}
}

func (w *crashWatcher) see(m protocol.Received) {
	switch {
	case w.void:
		return
	case m.Type == protocol.TypeReset && w.mayReset:
		w.void, w.cursor = true, ""
		return
	}
	switch m.Type {
	case protocol.TypeBookmark:
		w.cursor = m.Cursor
	case protocol.TypeReset:
		w.Errorf("a watcher was reset: %s", m.Reason)
	case protocol.TypeChange:
		if m.Operation == "delete" {
			delete(w.docs, m.DocID)
		} else {
			w.docs[m.DocID] = string(m.Doc)
		}
	}
}

func (w *crashWatcher) complete() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing > 0 {
		return false
	}
	for _, id := range w.acked {
		if w.docs[id] == "" {
			return false
		}
	}
	return true
}

func (w *crashWatcher) notResumed(conn *client.Client) {
	if w.mayReset {
		w.cursor = ""
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := conn.Next(ctx)
	w.Errorf("a watcher could not resume from %s: %s %v", w.cursor, m.Reason, err)
}
