package hub

import (
	"time"

	"github.com/secondgate/secondgate/backends"
)

// lag is what a hub knows of its feed being behind. Hub.mu guards it.
type lag struct {
	// expected is one write of this process that the feed has not delivered yet; nil for none. Later
	// writes are not noted meanwhile: the oldest says how long it has been.
	expected *backends.Change
	since    time.Time
	// broken is since when the feed has been broken; zero while it is not.
	broken time.Time
}

// Expect notes a write of this process, which the feed has to deliver.
func (h *Hub) Expect(c backends.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lag.expected != nil || h.cursor.Covers(c) { // the feed may have been faster than the write's answer
		return
	}
	c.Doc, c.Before = nil, nil // do not hold the documents while the change is under way
	h.lag.expected, h.lag.since = &c, time.Now()
}

// cursorMoved looks whether the feed has delivered the expected write. Lost changes are expected no
// more. The caller holds mu.
func (h *Hub) cursorMoved(lostAll bool) {
	switch {
	case h.lag.expected == nil:
	case lostAll:
		h.lag.expected = nil
	case h.cursor.Covers(*h.lag.expected):
		h.metrics.FeedDelay(time.Since(h.lag.since))
		h.lag.expected = nil
	}
}

// setBroken notes that the feed is broken, or that it is not any more.
func (h *Hub) setBroken(broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !broken:
		h.lag.broken = time.Time{}
	case h.lag.broken.IsZero():
		h.lag.broken = time.Now()
	}
}

// Broken reports whether the feed is broken and has not been opened again.
func (h *Hub) Broken() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.lag.broken.IsZero()
}

// Lag is for how long the feed is known to be behind; 0 when it is not known to be.
func (h *Hub) Lag(now time.Time) (d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lag.expected != nil {
		d = now.Sub(h.lag.since)
	}
	if !h.lag.broken.IsZero() {
		d = max(d, now.Sub(h.lag.broken))
	}
	return d
}
