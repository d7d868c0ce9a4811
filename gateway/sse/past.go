package sse

import (
	"context"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// docsAhead is how many documents of the past may come at once.
	docsAhead = 500
	// pieceDocs is how many documents of the last seconds are sent at a time.
	pieceDocs = 50
)

// past is what a stream is told of the time before it, beside the live changes: the last seconds, or
// every document again. Live changes overtake it, and no document's older state follows a newer one.
// The sender's turn owns it.
type past struct {
	pages  *walk         // every document
	recent []*hub.Change // or what is left of the last seconds
	// waiting are the documents of recent that no live change has overtaken.
	waiting map[protocol.Ref]bool

	pace time.Duration // see door.Env.StreamPace
	due  time.Time     // of the next piece
	wake *time.Timer
}

func newPast(pace time.Duration) *past {
	return &past{waiting: map[protocol.Ref]bool{}, pace: pace, due: time.Now().Add(-docsAhead * pace)}
}

// pastOf is a past of the last seconds.
func pastOf(recent []*hub.Change, pace time.Duration) *past {
	p := newPast(pace)
	p.recent = recent
	for _, c := range recent {
		p.waiting[c.Ref] = true
	}
	return p
}

// isDue: the next piece may go out.
func (p *past) isDue() bool { return !time.Now().Before(p.due) }

// sent counts the documents of a piece.
func (p *past) sent(docs int) {
	if earliest := time.Now().Add(-docsAhead * p.pace); p.due.Before(earliest) {
		p.due = earliest
	}
	p.due = p.due.Add(time.Duration(docs) * p.pace)
}

// wakeWhenDue has wake called once the next piece is due.
func (p *past) wakeWhenDue(wake func()) {
	if p.wake != nil {
		p.wake.Stop()
	}
	p.wake = time.AfterFunc(time.Until(p.due), wake)
}

// dropPast ends a past that has been told, or that nobody wants any more.
func (s *Stream) dropPast() {
	if s.past == nil {
		return
	}
	if s.past.wake != nil {
		s.past.wake.Stop()
	}
	if s.past.pages != nil {
		s.replays.leave(s.past.pages.replay)
	}
	s.past = nil
}

// sendPast sends the next piece.
func (s *Stream) sendPast() error {
	if s.past.pages != nil {
		return s.sendPage()
	}
	n := min(pieceDocs, len(s.past.recent))
	var buffer []byte
	docs := 0
	for _, c := range s.past.recent[:n] {
		if !s.past.waiting[c.Ref] {
			continue
		}
		docs++
		buffer = protocol.AppendState(buffer[:0], c.Ref.Collection, c.Ref.ID, c.Doc, s.rev)
		if err := s.body.Write(buffer); err != nil {
			return err
		}
	}
	s.env.Metrics.Delivered(metrics.Stream, docs)
	s.past.sent(docs)
	if s.past.recent = s.past.recent[n:]; len(s.past.recent) == 0 {
		s.dropPast()
	}
	s.owed = true
	return s.body.Rest()
}

// walk is one stream's way through a replay.
type walk struct {
	replay *replay
	names  []string // of the collections that are left; the first is under way
	key    pageKey
	at     backends.Cursor // a snapshot that has reached every page so far
}

// next is the next page, nil at the end. It is not older than need.
func (w *walk) next(ctx context.Context, s *Stream, need backends.Cursor) (*page, error) {
	if len(w.names) == 0 {
		return nil, nil
	}
	w.key.collection = w.names[0]
	page, err := w.replay.page(ctx, s.guard.Principal(), w.key, need)
	if err != nil {
		return nil, err
	}
	if page.cursor.Reached(w.at) {
		w.at = page.cursor
	}
	if w.key.after = page.next; page.next == "" {
		w.names = w.names[1:]
	}
	return page, nil
}
