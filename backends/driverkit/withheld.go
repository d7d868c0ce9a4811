package driverkit

import (
	"log/slog"
	"sync"

	"github.com/secondgate/secondgate/protocol"
)

// Withheld reports documents that clients are not shown, each about once.
type Withheld struct {
	Log *slog.Logger
	// Report, if set, is called for each document.
	Report func(protocol.Ref)

	mu   sync.Mutex
	seen map[protocol.Ref]struct{}
}

// maxSeen bounds the documents that Withheld remembers. Beyond it, it forgets all of them and may
// report a document again.
const maxSeen = 4096

// Note reports a document and why it is withheld, unless it has reported that document before.
func (w *Withheld) Note(r protocol.Ref, why error) {
	if !w.first(r) {
		return
	}
	w.Log.Warn("a document written by another program is withheld", "document", r.String(), "why", why)
	if w.Report != nil {
		w.Report(r)
	}
}

func (w *Withheld) first(r protocol.Ref) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[r]; ok {
		return false
	}
	if w.seen == nil || len(w.seen) >= maxSeen {
		w.seen = map[protocol.Ref]struct{}{}
	}
	w.seen[r] = struct{}{}
	return true
}
